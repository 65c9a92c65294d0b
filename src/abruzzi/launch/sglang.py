"""A layout in SGLang's words: options of ``sglang serve``, version 0.5.23.

``scripts/check_launch.sh`` hands them to that version's own parser. Where SGLang differs from vLLM: its memory fraction
covers weights and cache alone, and the workspace lies outside; its prefix cache is on unless switched off; it has no
suffix decoding, and its n-gram drafts come from one tree over all requests.
"""

import math

from abruzzi.errors import ConfigError
from abruzzi.launch.choices import KvCache, Weights
from abruzzi.launch.layout import Layout, Wanted, why_split
from abruzzi.launch.setting import Setting
from abruzzi.launch.speculation import Speculation, SpeculationKind

VERSION = "0.5.23"


def sglang_command(wanted: Wanted) -> tuple[str, ...]:
    """Write the command without its settings."""
    return ("sglang", "serve", "--model-path", wanted.model)


def memory_fraction(layout: Layout) -> float:
    """Return the share of a card for weights and cache, in whole hundredths and never more than there is."""
    budget = layout.budget
    return math.floor(100 * (budget.usable - budget.workspace) / budget.card) / 100


def sglang_settings(wanted: Wanted, layout: Layout) -> tuple[Setting, ...]:
    """Write the settings.

    Raises:
        ConfigError: suffix decoding, which SGLang has not.
    """
    budget, speculation = layout.budget, wanted.speculation
    if speculation.kind is SpeculationKind.SUFFIX:
        raise ConfigError(f"SGLang {VERSION} has no suffix decoding; take --speculation ngram, or --engine vllm")
    is_eight_bit = wanted.kv_cache is KvCache.FP8
    settings = [
        Setting("tp-size", layout.tensor_parallel, why_split(wanted, layout)),
        Setting("dp-size", layout.data_parallel, f"replicas on {wanted.cards.count} cards"),
        Setting("mem-fraction-static", memory_fraction(layout), "weights and cache; the workspace lies outside it"),
        Setting("context-length", wanted.context, "prompt and completion together, as asked for"),
        Setting(
            "max-running-requests",
            layout.max_sequences,
            f"the cache holds {budget.sequences} of {budget.tokens_per_sequence:,} tokens: none is ever put off",
        ),
        Setting(
            "chunked-prefill-size",
            wanted.step_tokens,
            "a long prompt is computed in pieces and does not hold up those who are decoding",
        ),
        Setting("enable-cache-report", True, "tells cached tokens, which the ledger counts; the prefix cache is on"),
        Setting(
            "kv-cache-dtype",
            "fp8_e4m3" if is_eight_bit else "auto",
            "twice the tokens; measure what it costs in answers"
            if is_eight_bit
            else "keys and values as the model computes them: no loss",
        ),
    ]
    if wanted.weights is Weights.FP8:
        settings.append(Setting("quantization", "fp8", "half the bytes of weights; measure what it costs in answers"))
    return (*settings, *_speculation_settings(speculation))


def sglang_notes(wanted: Wanted) -> tuple[str, ...]:
    """Say what else must be known."""
    if wanted.speculation.kind is SpeculationKind.NGRAM:
        return (
            "SGLang's n-gram drafts come from one tree over all requests: answers stay what they are, but how fast a "
            "text comes may tell one user that another's request held it; for users who must not know, take vLLM",
        )
    return ()


def _speculation_settings(speculation: Speculation) -> list[Setting]:
    length = speculation.num_draft_tokens
    if speculation.kind is SpeculationKind.NONE:
        return []
    if speculation.kind is SpeculationKind.NGRAM:
        return [
            Setting("speculative-algorithm", "NGRAM", "drafts from text seen before; needs no second model"),
            Setting("speculative-num-draft-tokens", length, "tokens of one draft"),
            Setting("speculative-ngram-max-bfs-breadth", 1, "one chain: every attention backend verifies it"),
        ]
    is_eagle = speculation.kind is SpeculationKind.EAGLE
    why = "pays while decoding waits for memory, not when cards are full"
    return [
        Setting("speculative-algorithm", "EAGLE3" if is_eagle else "STANDALONE", why),
        Setting("speculative-draft-model-path", speculation.model or "", "the EAGLE-3 head" if is_eagle else "drafts"),
        Setting("speculative-num-steps", length, "tokens drafted one after another"),
        Setting("speculative-eagle-topk", 1, "one chain: every attention backend verifies it"),
        Setting("speculative-num-draft-tokens", length + 1, "one chain and the token before it, as SGLang counts"),
    ]
