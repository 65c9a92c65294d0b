"""Tags are taken out of a text however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.serving.answer_tags import AnswerText, strip_answer_tags


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("So it is <answer>42</answer>", "So it is 42"),
        ("<answer>42", "42"),
        ("<ANSWER>42</Answer> and more", "42 and more"),
        ("<answer>42</ans", "42"),
        ("<answer>42</", "42"),
        ("42 <", "42"),
        ("a < b and <b>bold</b>", "a < b and <b>bold</b>"),
        ("<answers>", "<answers>"),
        ("", ""),
        ("<answer></answer>", ""),
    ],
)
def test_a_whole_text(text: str, shown: str) -> None:
    assert strip_answer_tags(text) == shown


@given(
    st.lists(st.sampled_from(["<answer>", "</answer>", "<", "</", "ans", "wer>", "42", " ", "\n", "a<b", ">"])),
    st.data(),
)
def test_pieces_say_what_the_whole_says(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    growing = AnswerText()
    shown = "".join(growing.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))
    assert shown.strip() == strip_answer_tags(text)


def test_the_plain_upstreams_text_stays() -> None:
    assert AnswerText(keeps_tags=True).feed(" <answer>") == " <answer>"
