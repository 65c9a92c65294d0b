"""However a stream is cut, what comes out is what the whole text would have given, and nothing of what is withheld."""

import base64
import codecs
import re
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.guard.key_shapes import KEY_SHAPES
from abruzzi.serving.guard.phrases import Phrase
from abruzzi.serving.guard.scan import WITHHELD, ForbiddenError, Gate, Rule
from abruzzi.serving.guard.settings import GuardSettings
from tests.serving.guard.making import SYSTEM, stream, wait

RULES: tuple[Rule, ...] = (
    KEY_SHAPES,
    Phrase.parse("zebra|zeb * crossing|cross"),
    Phrase.parse("kill|killer"),
    Phrase.parse("gate * zero * 数"),
    Phrase.parse("utterly forbidden", is_fatal=True),
)
PIECES = st.sampled_from(
    [
        *(
            "zebra",
            "Zeb",
            "ra ",
            "cross",
            "ing",
            "kill",
            "er",
            "gate",
            "zero",
            "数",
            "utterly ",
            "forbidden",
            "ＺＥＢ",
            "зе",
        ),
        *(" ", "\n", "é", "e\u0301", "\u200b", "ß", "s", "k", "-", "sk-", "x1" * 12, "a" * 45),
        *("://", "user:pa55", "word", "@", "host", "gh", "p_", "A1" * 15, "ey", "J", ".", "AKIA", "AB12CD34EF56GH78"),
        *("-----BEGIN ", "PRIVATE KEY-----", "Q2w" * 20),
    ]
)


def let_through(pieces: list[str]) -> str | None:
    """What a gate lets out of a stream; None where it is refused."""
    gate = Gate(RULES, 10_000)
    try:
        out = [gate.push(piece) for piece in pieces]
        return "".join([*out, gate.push("", is_final=True)])
    except ForbiddenError:
        return None


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=7), st.data())
def test_a_stream_gives_what_the_whole_text_gives(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = let_through([text])
    assert let_through(parts) == whole
    assert let_through(pieces) == whole
    assert let_through(list(text)) == whole


def test_matches_are_taken_out_and_the_rest_is_left() -> None:
    assert let_through(["A zebra at the Crossing, KILLER skill."]) == f"A {WITHHELD}, {WITHHELD} skill."
    assert let_through(["zebra", "x" * 41, "cross"]) == "zebra" + "x" * 41 + "cross"
    assert let_through(["It is utt", "erly  for", "bidden."]) is None
    assert let_through(["e\u0301", "kill", " e\u0301kill"]) == "e\u0301kill e\u0301kill"
    assert let_through(["a\u200b", "sk-" + "x1" * 12]) == f"a\u200b{WITHHELD}"
    assert let_through(["db://ann:s3cret@host and db://ann@host"]) == f"db{WITHHELD}@host and db://ann@host"


def test_nothing_waits_that_need_not() -> None:
    gate = Gate((KEY_SHAPES,), 10_000)
    words = re.findall(r"\S+", "The risk is small, says she: sketch the graph of y = x and see for yourself.")
    held = 0
    for word in words:
        gate.push(word + " ")
        held = max(held, gate.num_held)
    assert held == 0


def test_a_match_that_never_ends_is_refused_and_memory_bounded() -> None:
    gate = Gate((KEY_SHAPES,), 1000)
    gate.push("sk-")
    try:
        for _ in range(100):
            assert gate.push("a1" * 10) == ""
    except ForbiddenError:
        return
    raise AssertionError


GUARD = Guard(GuardSettings())
FORMS = {
    "plain": SYSTEM,
    "loud": SYSTEM.upper(),
    "backwards": SYSTEM[::-1],
    "spaced": " ".join(SYSTEM),
    "base64": base64.b64encode(SYSTEM.encode()).decode(),
    "base64, one byte on": base64.b64encode(b"." + SYSTEM.encode()).decode(),
    "base64, two bytes on": base64.b64encode(b".." + SYSTEM.encode()).decode(),
    "hex": SYSTEM.encode().hex(),
    "rot13": codecs.encode(SYSTEM, "rot13"),
    "part": SYSTEM[30:140],
}


def test_the_clients_system_message_comes_out_in_no_form() -> None:
    for name, form in FORMS.items():
        for size in (1, 3, 7, len(form)):
            text = f"Sure: {form} -- there."
            pieces = [text[place : place + size] for place in range(0, len(text), size)]
            out = wait(lambda pieces=pieces: stream(GUARD, pieces))
            assert out[-1] == "REFUSED", name
            told = "".join(out[:-1])
            # In base64 the first letters also hold what stands before; by themselves they say nothing.
            assert len("".join(filter(str.isalnum, told))) <= len("Sure") + 4, (name, size, told)


@settings(max_examples=50)
@given(start=st.integers(0, 60), size=st.integers(0, 120), cut=st.integers(1, 9))
@example(start=0, size=80, cut=1)
def test_a_long_run_is_withheld_and_a_short_one_passes(start: int, size: int, cut: int) -> None:
    run = SYSTEM[start : start + size]
    text = f"§§ {run} §§"
    pieces = [text[place : place + cut] for place in range(0, len(text), cut)]
    out = wait(lambda: stream(GUARD, pieces))
    if sum(char.isalnum() for char in run) >= 80:
        assert out[-1] == "REFUSED"
        assert not any(map(str.isalnum, "".join(out[:-1])))
    else:
        assert "".join(out) == text


def test_scanning_takes_time_proportional_to_the_text() -> None:
    """Texts made to hurt: nearly matches everywhere."""
    hurtful = [
        "sk-" * 40_000,
        "ignore your " * 10_000,
        "://" * 40_000,
        "a" * 120_000,
        "eyJ." * 30_000,
        SYSTEM[:70] * 1500,
    ]

    async def check(text: str) -> None:
        await stream(GUARD, [text])

    for text in hurtful:
        started = time.process_time()
        wait(lambda text=text: check(text))
        assert time.process_time() - started < 5, text[:20]
