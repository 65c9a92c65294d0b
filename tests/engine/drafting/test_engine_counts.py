"""The replay of ngram-simple against the engine's own counts."""

import json
import urllib.request
from functools import partial
from typing import Any

import pytest

from abruzzi.engine.drafting.draft import DraftLimits
from abruzzi.engine.drafting.ngram_simple import NgramSimple
from abruzzi.engine.drafting.replay import Completed, replay
from abruzzi.engine.drafting.text import Part, Source
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import Speculation
from tests.engine.asking import Stream, chat

pytestmark = pytest.mark.engine

LIMITS = DraftLimits(ngram_tokens=3, max_draft_tokens=16)
MAX_TOKENS = 48
QUESTIONS = [
    "Repeat: " + "one two three four five six " * 6,
    "What is 17 + 25? Think step by step, then say the answer twice.",
    "Write a haiku about rain.",
]


def post(engine: Engine, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        engine.base_url.removesuffix("/v1") + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def list_tokens(choice: dict[str, Any]) -> list[dict[str, Any]]:
    logprobs: dict[str, Any] = choice.get("logprobs") or {}
    return logprobs.get("content", [])


def read_ids(stream: Stream, end: int) -> tuple[int, ...]:
    """Read the sampled tokens; the end-of-text token is counted and not told."""
    chunks: list[Any] = stream.chunks
    told = [token["id"] for chunk in chunks for choice in chunk["choices"] for token in list_tokens(choice)]
    num_untold: int = chunks[-1]["timings"]["predicted_n"] - len(told)
    assert num_untold in (0, 1)
    return (*told, *[end] * num_untold)


def test_the_replay_gives_the_engines_counts_to_the_token(engine: Engine) -> None:
    settings = EngineSettings(
        model=engine.settings.model,
        slots=1,
        context_tokens=512,
        threads=1,
        speculation=Speculation(ngram_tokens=LIMITS.ngram_tokens, max_draft_tokens=LIMITS.max_draft_tokens),
    )
    (end,) = post(engine, "/tokenize", {"content": "<|im_end|>", "parse_special": True})["tokens"]
    total = 0
    with Engine(settings) as speculating:
        for question in QUESTIONS:
            # Accepted tokens come without log-probabilities, so the ids are those of the plain engine's equal text.
            plain = chat(engine, question, temperature=0, max_tokens=MAX_TOKENS, logprobs=True, top_logprobs=1)
            drafted = chat(speculating, question, temperature=0, max_tokens=MAX_TOKENS)
            assert drafted.texts() == plain.texts()
            rendered = post(engine, "/apply-template", {"messages": [{"role": "user", "content": question}]})["prompt"]
            prompt = post(engine, "/tokenize", {"content": rendered, "add_special": True, "parse_special": True})
            completed = Completed((Part(Source.OTHER, tuple(prompt["tokens"])),), read_ids(plain, end))
            (ours,) = replay([completed], partial(NgramSimple, limits=LIMITS), max_tokens=MAX_TOKENS)
            timings = drafted.chunks[-1]["timings"]
            assert (ours.draft_tokens, ours.accepted_tokens) == (timings["draft_n"], timings["draft_n_accepted"])
            total += ours.accepted_tokens
    assert total > 0
