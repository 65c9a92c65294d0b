"""Reasoning is told from text, however the pieces are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.models.thinking import Piece, Rewind, ThinkSplitter, split_thinking


@pytest.mark.parametrize(
    ("reply", "reasoning", "text"),
    [
        ("", "", ""),
        ("just text", "", "just text"),
        ("  indented text", "", "  indented text"),
        ("<think>hm</think>42", "hm", "42"),
        ("\n\n<think>\nhm\n</think>\n\n42\n", "hm\n", "42\n"),
        ("<think>\n\n</think>\n\n42", "", "42"),
        ("<think></think><think>again</think>42", "again", "42"),
        ("<think>never closed, <answer>41</answer>", "never closed, <answer>41</answer>", ""),
        ("<think>", "", ""),
        ("<thin", "", "<thin"),
        ("<thinking>is another tag</thinking>", "", "<thinking>is another tag</thinking>"),
        ("The tag <think> opens a thought.", "", "The tag <think> opens a thought."),
        ("The template had opened it</think>42", "The template had opened it", "42"),
        ("</think>42", "", "42"),
        ("\nopened</think>\n42</think>43", "opened", "42</think>43"),
        ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
        ("<think>a</thin</think>b", "a</thin", "b"),
        ("a < b and </ c", "", "a < b and </ c"),
        ("<think>x</think>  ", "x", ""),
    ],
)
def test_known_replies(reply: str, reasoning: str, text: str) -> None:
    assert split_thinking(reply) == (reasoning, text)


def feed(pieces: list[str]) -> tuple[str, str, str, str]:
    """Feed pieces; return reasoning and text as the splitter has them, and as a listener has them."""
    splitter = ThinkSplitter()
    found = [item for piece in pieces for item in splitter.feed(piece)] + splitter.close()
    heard = {"reasoning": "", "text": ""}
    for item in found:
        match item:
            case Rewind():
                heard = {"reasoning": "", "text": ""}
            case Piece(kind, content):
                heard[kind] += content
    return splitter.reasoning, splitter.text, heard["reasoning"], heard["text"]


fragments = st.sampled_from(["<think>", "</think>", "<", "</", "think>", "<thi", "nk>", " ", "\n", "42", "a b", "ä"])


@given(st.lists(fragments, max_size=12), st.data())
def test_cutting_changes_nothing(parts: list[str], data: st.DataObject) -> None:
    reply = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(reply)), max_size=6)))
    pieces = [reply[start:end] for start, end in zip([0, *cuts], [*cuts, len(reply)], strict=True)]
    reasoning, text, heard_reasoning, heard_text = feed(pieces)
    assert (reasoning, text) == split_thinking(reply)
    assert (heard_reasoning, heard_text) == (reasoning, text)


@given(st.text(alphabet="ab<>/ think\n", max_size=40))
def test_a_block_at_the_start_is_what_stands_between_its_tags(inner: str) -> None:
    reasoning, text = split_thinking(f"<think>x{inner}</think>y")
    assert f"x{inner}".startswith(reasoning)
    assert text.endswith("y")


def test_text_is_passed_on_as_soon_as_it_cannot_be_a_tag() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<thi") == []
    assert splitter.feed("rd>") == [Piece("text", "<third>")]
    assert splitter.feed(" is </th") == [Piece("text", " is ")]
    assert splitter.feed("ough") == [Piece("text", "</though")]


def test_a_missing_opening_tag_rewinds_what_was_called_text() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("let me see") == [Piece("text", "let me see")]
    assert splitter.feed("</think>\n42") == [Rewind(), Piece("reasoning", "let me see"), Piece("text", "42")]
