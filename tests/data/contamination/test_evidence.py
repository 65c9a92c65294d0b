from abruzzi.data.contamination.evidence import MAX_EVIDENCE_CHARS, show_evidence
from abruzzi.data.contamination.report import Evidence


def test_the_passage_is_shown_as_each_side_writes_it() -> None:
    found = show_evidence(
        r"Let $x^{2}=\frac{9}{4}$ and find the sum of all x.",
        r"Good day! Let \(x^2 = \tfrac94\), and find the sum of all numbers.",
    )
    assert found == Evidence(
        r"Let $x^{2}=\frac{9}{4}$ and find the sum of all", r"Let \(x^2 = \tfrac94\), and find the sum of all"
    )


def test_a_whole_text_keeps_its_end() -> None:
    text = "How many are\nthere in all?"
    assert show_evidence(text, text) == Evidence("How many are there in all?", "How many are there in all?")


def test_a_long_passage_is_cut() -> None:
    text = "seven long words that are the same " * 40
    found = show_evidence(text, "Well: " + text)
    assert len(found.benchmark) == len(found.train) == MAX_EVIDENCE_CHARS
    assert found.train.startswith("seven long words")
    assert found.train.endswith("…")


def test_nothing_shared_shows_nothing() -> None:
    assert show_evidence("red green", "blue black") == Evidence("", "")


def test_what_cannot_be_printed_is_replaced() -> None:
    assert show_evidence("one \x1b[31m two three", "one two three").benchmark.isprintable()
