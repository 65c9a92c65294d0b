"""Usage is added up whichever way it is told."""

from typing import Any

import anyio
import pytest

from abruzzi.models.usage import StreamEnd, UsageMeter, read_usage
from abruzzi.models.wire import Chunk, read_chunk
from abruzzi.nouns import Usage


def text(index: int, *, used: int | None = None, finish: str | None = None) -> Chunk:
    """A chunk with a piece of text, or with an end; perhaps with a running count beside it."""
    choice = {"index": index, "delta": {} if finish else {"content": "x"}, "finish_reason": finish}
    usage = None if used is None else {"prompt_tokens": 5, "completion_tokens": used}
    return read_chunk({"choices": [choice], "usage": usage})


def summary(completion: int, prompt: int = 5) -> Chunk:
    return read_chunk({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


def add_up(chunks: list[Chunk], n: int = 1, end: StreamEnd = StreamEnd.WHOLE) -> tuple[int, int, bool]:
    meter = UsageMeter(n)
    for chunk in chunks:
        meter.note(chunk)

    async def settle() -> tuple[Usage, bool]:
        return await meter.settle(end)

    usage, is_exact = anyio.run(settle)
    return usage.prompt_tokens, usage.completion_tokens, is_exact


ENDS = [text(0, finish="stop"), text(1, finish="stop")]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([*ENDS, summary(7)], (5, 7, True)),
        ([ENDS[0], summary(3), ENDS[1], summary(4)], (5, 7, True)),
        # vLLM: each choice's own count, then the sum over all
        ([text(0, used=1), text(1, used=1), text(0, used=2), *ENDS, summary(3)], (5, 3, True)),
        # the same without the sum
        ([text(0, used=1), text(1, used=1), text(0, used=2), text(1, used=2), *ENDS], (5, 4, True)),
        # one choice after the other
        ([text(0, used=1), text(0, used=2), text(1, used=1), *ENDS], (5, 3, True)),
        # a count over all choices
        ([text(0, used=1), text(1, used=2), text(0, used=4), *ENDS], (5, 4, True)),
        (ENDS, (0, 0, False)),
    ],
)
def test_two_choices(chunks: list[Chunk], expected: tuple[int, int, bool]) -> None:
    assert add_up(chunks, 2) == expected


def test_a_broken_stream_gives_a_lower_bound() -> None:
    assert add_up([text(0, used=1), text(0, used=2)], end=StreamEnd.BROKEN) == (5, 2, False)
    assert add_up([ENDS[0], summary(3), text(1)], 2, end=StreamEnd.BROKEN) == (5, 3, False)
    assert add_up([], end=StreamEnd.BROKEN) == (0, 0, False)


def test_a_refused_request_costs_nothing_for_certain() -> None:
    assert add_up([], end=StreamEnd.REFUSED) == (0, 0, True)


def test_a_repeated_summary_counts_once() -> None:
    assert add_up([ENDS[0], summary(3), summary(3)]) == (5, 3, True)


def test_a_single_choice_learns_its_own_count_from_the_summary() -> None:
    assert UsageMeter(1).note(summary(3)) == 3
    assert UsageMeter(2).note(summary(3)) is None
    assert UsageMeter(1).note(text(0, used=3)) is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4}, Usage(9, 0, 4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(9, 8, 4, 3),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 4, "reasoning_tokens": 2}, Usage(9, 0, 4, 2)),
        ({"prompt_tokens": None, "completion_tokens": "4", "prompt_tokens_details": None}, Usage()),
        ({"prompt_tokens": -1, "completion_tokens": float("nan")}, Usage()),
        ({"prompt_tokens": 9.0, "completion_tokens": float("inf")}, Usage(9)),
    ],
)
def test_usage_objects_of_all_kinds(usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(usage) == expected
