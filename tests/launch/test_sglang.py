import pytest

from abruzzi.errors import ConfigError
from abruzzi.launch.choices import KvCache
from abruzzi.launch.layout import choose_layout
from abruzzi.launch.sglang import memory_fraction, sglang_command, sglang_notes, sglang_settings
from abruzzi.launch.speculation import Speculation, SpeculationKind
from tests.launch.small import want


def values(**changes: object) -> dict[str, object]:
    wanted = want(count=8, **changes)  # pyright: ignore[reportArgumentType]
    return {setting.name: setting.value for setting in sglang_settings(wanted, choose_layout(wanted))}


def test_the_settings_of_a_32b_model_on_eight_cards() -> None:
    assert sglang_command(want()) == ("sglang", "serve", "--model-path", "Qwen/Qwen2.5-32B")
    assert values() == {
        "tp-size": 2,
        "dp-size": 4,
        "mem-fraction-static": 0.87,
        "context-length": 32768,
        "max-running-requests": 8,
        "chunked-prefill-size": 8192,
        "enable-cache-report": True,
        "kv-cache-dtype": "auto",
    }
    assert values(kv_cache=KvCache.FP8)["kv-cache-dtype"] == "fp8_e4m3"


def test_the_fraction_leaves_the_workspace_outside() -> None:
    layout = choose_layout(want(count=8))
    budget, fraction = layout.budget, memory_fraction(layout)
    assert 0 <= budget.usable - budget.workspace - fraction * budget.card < 0.01 * budget.card


def test_ngram_drafts_are_one_chain_of_one_tree_that_all_share() -> None:
    found = values(speculation=Speculation(SpeculationKind.NGRAM))
    assert found["speculative-algorithm"] == "NGRAM"
    assert found["speculative-num-draft-tokens"] == 5
    assert found["speculative-ngram-max-bfs-breadth"] == 1
    (note,) = sglang_notes(want(speculation=Speculation(SpeculationKind.NGRAM)))
    assert "one tree over all requests" in note


@pytest.mark.parametrize(("kind", "name"), [(SpeculationKind.EAGLE, "EAGLE3"), (SpeculationKind.DRAFT, "STANDALONE")])
def test_a_second_model_drafts_three_tokens_and_sglang_counts_four(kind: SpeculationKind, name: str) -> None:
    found = values(speculation=Speculation(kind, "second"))
    assert found["speculative-algorithm"] == name
    assert found["speculative-draft-model-path"] == "second"
    steps, topk, tokens = (found[f"speculative-{part}"] for part in ("num-steps", "eagle-topk", "num-draft-tokens"))
    assert (steps, topk, tokens) == (3, 1, 4)


def test_suffix_decoding_is_refused_with_what_to_take_instead() -> None:
    with pytest.raises(ConfigError, match=r"no suffix decoding; take --speculation ngram, or --engine vllm"):
        values(speculation=Speculation(SpeculationKind.SUFFIX))
