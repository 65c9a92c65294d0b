"""The rig against itself: what the simulated upstream does is what its clients find, fault by fault."""

import asyncio
import mmap
import os
from itertools import pairwise
from typing import Any

import pytest

from tests.serving.load.costs import read_rss_bytes
from tests.serving.load.processes import upstream
from tests.serving.load.streams import Heard, Outcome, ask

WORDS = "word0 word1 word2 word3 <answer>42</answer>"


def ask_once(*options: str, within_s: float = 30.0, **fields: Any) -> Heard:
    with upstream("--tokens", "5", *options) as (_, port):
        return asyncio.run(ask(f"http://127.0.0.1:{port}/v1", within_s=within_s, model="m", **fields))


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_comes_whole(stream: bool) -> None:
    heard = ask_once(stream=stream)
    assert (heard.outcome, heard.status, heard.text) == (Outcome.DONE, 200, WORDS)


def test_a_stop_string_ends_the_text_before_it() -> None:
    assert ask_once(stop=["</answer>"]).text == WORDS.removesuffix("</answer>")


def test_tokens_come_at_the_pace_set_and_say_when_they_were_due() -> None:
    heard = ask_once("--stamps", "--ttft-s", "0.2", "--token-s", "0.1")
    assert heard.content_at is not None
    assert heard.content_at - heard.asked_at >= 0.2
    assert heard.ended_at - heard.asked_at >= 0.2 + 4 * 0.1
    due = [float(stamp) for stamp in heard.text.split()[:-1]]
    assert [b - a for a, b in pairwise(due)] == pytest.approx([0.1] * 3, abs=1e-5)
    assert len(heard.lateness_s) == 4
    assert min(heard.lateness_s) >= -0.002, "an event loop rounds to milliseconds"


@pytest.mark.parametrize(
    ("options", "outcome", "status", "code", "text"),
    [
        (("--fault", "fail"), Outcome.ERROR, 500, "simulated", ""),
        (("--fault", "slam"), Outcome.CUT, 0, None, ""),
        (("--fault", "cut", "--after", "2"), Outcome.CUT, 200, None, "word0 word1 "),
        (("--fault", "stall", "--after", "2"), Outcome.HUNG, 200, None, "word0 word1 "),
    ],
)
def test_each_fault_is_found_for_what_it_is(
    options: tuple[str, ...], outcome: Outcome, status: int, code: str | None, text: str
) -> None:
    heard = ask_once(*options, within_s=30.0 if outcome is not Outcome.HUNG else 2.0)
    assert (heard.outcome, heard.status, heard.code, heard.text) == (outcome, status, code, text)


def test_a_fault_comes_with_the_last_of_so_many_requests() -> None:
    with upstream("--fault", "fail", "--every", "3") as (_, port):

        async def main() -> list[int]:
            url = f"http://127.0.0.1:{port}/v1"
            return [(await ask(url, within_s=30.0, model="m")).status for _ in range(6)]

        assert asyncio.run(main()) == [200, 200, 500, 200, 200, 429]


def test_a_port_where_nobody_listens_is_a_cut() -> None:
    with upstream() as (_, port):
        pass
    heard = asyncio.run(ask(f"http://127.0.0.1:{port}/v1", within_s=30.0, model="m"))
    assert (heard.outcome, heard.status) == (Outcome.CUT, 0)


def test_memory_is_that_of_the_process() -> None:
    kept = read_rss_bytes(os.getpid())
    with mmap.mmap(-1, 20_000_000) as held:  # fresh pages: the heap of a large process may have room enough
        for start in range(0, len(held), 4096):
            held[start] = 1
        assert read_rss_bytes(os.getpid()) - kept >= 15_000_000
