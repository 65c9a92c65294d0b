import pytest

from abruzzi.launch.choices import KvCache, Weights
from abruzzi.launch.layout import choose_layout
from abruzzi.launch.speculation import Speculation, SpeculationKind
from abruzzi.launch.vllm import speculative_config, vllm_command, vllm_notes, vllm_settings
from tests.launch.small import want


def values(**changes: object) -> dict[str, object]:
    wanted = want(count=8, **changes)  # pyright: ignore[reportArgumentType]
    return {setting.name: setting.value for setting in vllm_settings(wanted, choose_layout(wanted))}


def test_the_settings_of_a_32b_model_on_eight_cards() -> None:
    assert vllm_command(want()) == ("vllm", "serve", "Qwen/Qwen2.5-32B")
    assert values() == {
        "tensor-parallel-size": 2,
        "data-parallel-size": 4,
        "gpu-memory-utilization": 0.9,
        "max-model-len": 32768,
        "max-num-seqs": 8,
        "enable-chunked-prefill": True,
        "max-num-batched-tokens": 8192,
        "enable-prefix-caching": True,
        "enable-prompt-tokens-details": True,
        "kv-cache-dtype": "auto",
    }


def test_eight_bits_are_said_only_when_asked_for() -> None:
    found = values(weights=Weights.FP8, kv_cache=KvCache.FP8)
    assert (found["quantization"], found["kv-cache-dtype"]) == ("fp8", "fp8")
    assert "quantization" not in values()


@pytest.mark.parametrize(
    ("speculation", "written"),
    [
        (Speculation(), {}),
        (
            Speculation(SpeculationKind.NGRAM),
            {"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_min": 2, "prompt_lookup_max": 4},
        ),
        (
            Speculation(SpeculationKind.SUFFIX),
            {"method": "suffix", "num_speculative_tokens": 24, "suffix_decoding_max_cached_requests": 0},
        ),
        (
            Speculation(SpeculationKind.EAGLE, "h"),
            {"method": "eagle3", "model": "h", "num_speculative_tokens": 3},
        ),
        (
            Speculation(SpeculationKind.DRAFT, "d"),
            {"method": "draft_model", "model": "d", "num_speculative_tokens": 3},
        ),
    ],
)
def test_a_way_to_draft_in_vllms_words(speculation: Speculation, written: dict[str, object]) -> None:
    assert speculative_config(speculation) == written
    assert values(speculation=speculation).get("speculative-config", {}) == written


def test_suffix_decoding_says_what_it_needs() -> None:
    (note,) = vllm_notes(want(speculation=Speculation(SpeculationKind.SUFFIX)))
    assert "pip install arctic-inference" in note
    assert vllm_notes(want()) == ()


def test_a_step_takes_all_sequences() -> None:
    for memory in (24e9, 48e9, 80e9):
        found = want("card", count=8, memory_bytes=memory, context=64)
        settings = {s.name: s.value for s in vllm_settings(found, choose_layout(found))}
        batched, sequences = settings["max-num-batched-tokens"], settings["max-num-seqs"]
        assert isinstance(batched, int)
        assert isinstance(sequences, int)
        assert batched >= sequences, "vLLM refuses less"
