import pytest

from abruzzi.errors import ConfigError
from abruzzi.launch.speculation import FORMS, Speculation, SpeculationKind, parse_speculation


@pytest.mark.parametrize(
    ("text", "speculation"),
    [
        ("none", Speculation()),
        ("ngram", Speculation(SpeculationKind.NGRAM)),
        (" suffix ", Speculation(SpeculationKind.SUFFIX)),
        ("eagle=org/head", Speculation(SpeculationKind.EAGLE, "org/head")),
        ("draft=/models/a=b", Speculation(SpeculationKind.DRAFT, "/models/a=b")),
    ],
)
def test_one_word_names_a_way_to_draft(text: str, speculation: Speculation) -> None:
    assert parse_speculation(text) == speculation


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_is_offered_is_taken(form: str) -> None:
    assert parse_speculation(form).kind.value == form.partition("=")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ngrams", "write one of none, ngram"),
        ("eagle", "no head"),
        ("draft=", "no draft model"),
        ("ngram=3", "drafts without a model"),
        ("none=", "drafts without a model"),
        ("", "write one of none, ngram"),
    ],
)
def test_what_is_no_way_to_draft_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_speculation(text)


def test_only_none_drafts_nothing() -> None:
    assert [kind for kind in SpeculationKind if not Speculation(kind).num_draft_tokens] == [SpeculationKind.NONE]
