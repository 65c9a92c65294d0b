"""The engine's sampler against a worker that needs no model, and once against the real one."""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from abruzzi.cli.wiring import cache_folder
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.weights import fetch_base
from abruzzi.errors import (
    ConfigError,
    ContextLengthError,
    DataError,
    EndpointError,
    ProtocolError,
    UnreachableError,
    WeightsError,
)
from abruzzi.nouns import FinishReason
from abruzzi.training.base import load_base
from abruzzi.training.grpo.engine_sampler import EngineSampler, read_completions
from abruzzi.training.grpo.rollouts import Sampled
from tests.engine.tiny import gguf_bytes, model_file
from tests.training.grpo.untyped import values

FAKE = str(Path(__file__).with_name("fake_engine.py"))
PROMPTS = [[10, 20, 30], [40, 50]]


def fake(folder: Path, *faults: str, slots: int = 4, **changes: Any) -> EngineSampler:
    """A sampler whose engine is the fake worker."""
    command = (sys.executable, FAKE, str(folder), *faults)
    settings = EngineSettings(model=model_file(folder), command=command, slots=slots, context_tokens=64)
    options: dict[str, Any] = {"pause_s": 0.01, **changes}
    return EngineSampler(settings, **options)


def sample(sampler: EngineSampler, prompts: list[list[int]] = PROMPTS, **changes: Any) -> list[list[Sampled]]:
    wanted: dict[str, Any] = {"group_size": 3, "max_tokens": 3, "temperature": 0.8, "seed": 7, **changes}
    return sampler.sample(prompts, **wanted)


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def requests(folder: Path) -> list[dict[str, Any]]:
    """In the order of their prompts."""
    return sorted(rows(folder, "requests"), key=lambda row: row["prompt"])


def test_a_group_is_one_request_of_raw_tokens(tmp_path: Path) -> None:
    with fake(tmp_path) as sampler:
        groups = sample(sampler)
    assert [len(group) for group in groups] == [3, 3]
    first, second = requests(tmp_path)
    assert (first["prompt"], second["prompt"]) == tuple(PROMPTS)
    for row in (first, second):
        assert row["path"] == "/completion"
        assert (row["n_cmpl"], row["n_predict"], row["temperature"], row["lora"]) == (3, 3, 0.8, [])
        assert (row["samplers"], row["return_tokens"], row["n_probs"]) == (["temperature"], True, 1)
    assert first["seed"] != second["seed"]
    shift = first["seed"] % 1000
    assert groups[0][1].ids == (11 + shift, 21 + shift, 31 + shift), "completions are in the order of their index"


def test_what_ended_by_itself_is_told_from_what_was_cut(tmp_path: Path) -> None:
    with fake(tmp_path) as sampler:
        groups = sample(sampler, max_tokens=2)
    assert [sampled.finish_reason for sampled in groups[0]] == [FinishReason.LENGTH] * 3
    assert [sampled.finish_reason for sampled in groups[1]] == [FinishReason.STOP] * 3


def test_the_seed_decides_and_members_differ(tmp_path: Path) -> None:
    with fake(tmp_path) as sampler:
        first, again, other = sample(sampler), sample(sampler), sample(sampler, seed=8)
    ids = [[sampled.ids for group in groups for sampled in group] for groups in (first, again, other)]
    assert ids[0] == ids[1]
    assert ids[0] != ids[2]
    assert len(set(ids[0])) == 6


def test_a_group_larger_than_the_slots_is_several_requests(tmp_path: Path) -> None:
    with fake(tmp_path, slots=2) as sampler:
        (group,) = sample(sampler, [[10]], group_size=5)
    assert len(group) == 5
    assert sorted(row["n_cmpl"] for row in rows(tmp_path, "requests")) == [1, 2, 2]
    assert len({row["seed"] for row in rows(tmp_path, "requests")}) == 3


def test_sync_writes_the_adapter_and_starts_the_engine_again(tmp_path: Path) -> None:
    written: list[Path] = []

    def write_adapter(path: Path) -> None:
        path.write_bytes(gguf_bytes(is_adapter=True, num_weights=64 * (1 + len(written))))
        written.append(path)

    with fake(tmp_path, write_adapter=write_adapter) as sampler:
        sample(sampler)
        sampler.sync()
        sample(sampler)
        starts = rows(tmp_path, "starts")
        assert [row["adapters"] for row in starts] == [
            [gguf_bytes(is_adapter=True, num_weights=number).hex()] for number in (64, 128)
        ]
        assert all(row["lora"] == [{"id": 0, "scale": 1.0}] for row in rows(tmp_path, "requests"))
    assert not written[-1].exists(), "nothing is left behind"
    assert not any(Path(f"/proc/{row['pid']}").exists() for row in starts)


def test_without_an_adapter_sync_changes_nothing(tmp_path: Path) -> None:
    with fake(tmp_path) as sampler:
        sampler.sync()
        sampler.sync()
        sample(sampler)
    assert len(rows(tmp_path, "starts")) == 1


def test_an_adapter_that_is_none_is_refused_before_the_engine_starts(tmp_path: Path) -> None:
    def write_model(path: Path) -> None:
        path.write_bytes(gguf_bytes())

    with (
        fake(tmp_path, write_adapter=write_model) as sampler,
        pytest.raises(WeightsError, match="not a LoRA adapter"),
    ):
        sampler.sync()
    assert rows(tmp_path, "starts") == []


def test_a_broken_connection_is_tried_again_with_the_same_seed(tmp_path: Path) -> None:
    with fake(tmp_path, "drop", "drop") as sampler:
        groups = sample(sampler, [[10]])
    assert len(groups[0]) == 3
    first, *others = rows(tmp_path, "requests")
    assert others == [first, first]


def test_an_engine_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with fake(tmp_path, *["drop"] * 4) as sampler, pytest.raises(UnreachableError, match="4 times"):
        sample(sampler, [[10]])
    assert len(rows(tmp_path, "requests")) == 4


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("refuse", EndpointError, "HTTP 400.*no such thing"),
        ("nonsense", ProtocolError, "no completions"),
        ("fewer", ProtocolError, "2 completions where 3"),
    ],
)
def test_another_answer_is_an_error(tmp_path: Path, fault: str, error: type[Exception], message: str) -> None:
    with fake(tmp_path, fault) as sampler, pytest.raises(error, match=message):
        sample(sampler, [[10]])


def reply(*choices: tuple[list[int], list[tuple[int, float]], str]) -> str:
    return json.dumps(
        [
            {
                "index": index,
                "tokens": tokens,
                "completion_probabilities": [{"id": token, "logprob": logprob} for token, logprob in given],
                "stop_type": reason,
            }
            for index, (tokens, given, reason) in enumerate(choices)
        ]
    )


def test_tokens_without_a_logprob_get_nan_and_the_last_of_equal_ones_keeps_it() -> None:
    (sampled,) = read_completions(reply(([5, 8, 8, 9, 8], [(5, -1.0), (8, -2.0), (9, -3.0)], "limit")), 1)
    assert sampled.ids == (5, 8, 8, 9, 8)
    assert [round(value) for value in sampled.logprobs if not math.isnan(value)] == [-1, -2, -3]
    assert [math.isnan(value) for value in sampled.logprobs] == [False, True, False, False, True]


@pytest.mark.parametrize(
    "choice", [([5], [(6, -1.0)], "eos"), ([], [], "eos"), ([5], [(5, -1.0), (5, -1.0)], "eos"), ([5], [], "word")]
)
def test_a_choice_that_cannot_be_is_an_error(choice: tuple[list[int], list[tuple[int, float]], str]) -> None:
    with pytest.raises(ProtocolError):
        read_completions(reply(choice), 1)


@pytest.mark.parametrize("changes", [{"group_size": 0}, {"max_tokens": 0}, {"temperature": math.nan}, {"seed": -1}])
def test_a_number_out_of_range_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with fake(tmp_path) as sampler, pytest.raises(ConfigError, match=next(iter(changes))):
        sample(sampler, **changes)


def test_a_prompt_that_cannot_be_is_named(tmp_path: Path) -> None:
    with fake(tmp_path) as sampler:
        with pytest.raises(DataError, match="prompt 1 has no tokens"):
            sample(sampler, [[3], []])
        with pytest.raises(ContextLengthError, match="prompt 0 has 62 tokens"):
            sample(sampler, [[3] * 62])
    assert rows(tmp_path, "requests") == []


@pytest.mark.engine
@pytest.mark.slow
def test_the_real_engine_samples_what_the_model_says() -> None:
    cache = cache_folder(os.environ)
    base = load_base("embedded", cache_dir=cache, dtype=torch.float32, device="cpu")
    texts = [f"<|im_start|>user\nSay hello to {name}.<|im_end|>\n<|im_start|>assistant\n" for name in ("Ann", "Bob")]
    prompts = [base.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    differences: list[float] = []
    with EngineSampler(EngineSettings(model=fetch_base(cache), slots=4, context_tokens=128)) as sampler:
        for temperature in (1.0, 0.5):
            groups = sample(sampler, prompts, group_size=3, max_tokens=24, temperature=temperature)
            assert sample(sampler, prompts, group_size=3, max_tokens=24, temperature=temperature)[1][0] == groups[1][0]
            for prompt, group in zip(prompts, groups, strict=True):
                for sampled in group:
                    assert (sampled.ids[-1] == base.tokenizer.eos_token_id) is (
                        sampled.finish_reason is FinishReason.STOP
                    )
                    with torch.no_grad():
                        logits = base.model(input_ids=torch.tensor([[*prompt, *sampled.ids]])).logits
                    drawn = logits[0, len(prompt) - 1 : -1].log_softmax(-1).gather(1, torch.tensor([sampled.ids]).T)
                    pairs = zip(values(drawn[:, 0]), sampled.logprobs, strict=True)
                    differences += [abs(ours - theirs) for ours, theirs in pairs if not math.isnan(theirs)]
    assert len(differences) > 150
    assert sum(differences) / len(differences) < 0.1, "nats: 8-bit activations, and no temperature in them"
