"""Texts with sources."""

from abruzzi.engine.drafting.text import Part, Source, Text


def test_a_text_grows_by_its_own_tokens() -> None:
    text = Text([Part(Source.OTHER, (1, 2)), Part(Source.QUESTION, (3,))])
    text.grow(4)
    assert text.ids == [1, 2, 3, 4]
    assert text.sources == [Source.OTHER, Source.OTHER, Source.QUESTION, Source.OWN]
    assert (text.num_prompt_tokens, text.num_own_tokens) == (3, 1)
