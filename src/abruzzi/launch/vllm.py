"""A layout in vLLM's words: options of ``vllm serve``, version 0.33.

``scripts/check_launch.sh`` hands them to that version's own parser. What each option does is told there and in
``vllm serve --help=all``; here stands why it has this value.
"""

from collections.abc import Mapping
from typing import Any

from abruzzi.launch.choices import KvCache, Weights
from abruzzi.launch.layout import USABLE, Layout, Wanted, why_split
from abruzzi.launch.setting import Setting
from abruzzi.launch.speculation import Speculation, SpeculationKind

VERSION = "0.33.0"


def vllm_command(wanted: Wanted) -> tuple[str, ...]:
    """Write the command without its settings."""
    return ("vllm", "serve", wanted.model)


def vllm_settings(wanted: Wanted, layout: Layout) -> tuple[Setting, ...]:
    """Write the settings."""
    budget = layout.budget
    settings = [
        Setting("tensor-parallel-size", layout.tensor_parallel, why_split(wanted, layout)),
        Setting("data-parallel-size", layout.data_parallel, f"replicas on {wanted.cards.count} cards"),
        Setting("gpu-memory-utilization", USABLE, "the rest is CUDA's context, the driver's and what fragments"),
        Setting("max-model-len", wanted.context, "prompt and completion together, as asked for"),
        Setting(
            "max-num-seqs",
            layout.max_sequences,
            f"the cache holds {budget.sequences} of {budget.tokens_per_sequence:,} tokens: none is ever put off",
        ),
        Setting("enable-chunked-prefill", True, "a long prompt does not hold up those who are decoding"),
        Setting(
            "max-num-batched-tokens",
            wanted.step_tokens,
            "tokens of one step, vLLM's own choice for a card of this size; the workspace is planned for it",
        ),
        Setting("enable-prefix-caching", True, "candidates, judge and retries share a prompt: computed once"),
        Setting("enable-prompt-tokens-details", True, "tells cached tokens, which the ledger counts"),
    ]
    if wanted.weights is Weights.FP8:
        settings.append(Setting("quantization", "fp8", "half the bytes of weights; measure what it costs in answers"))
    if wanted.kv_cache is KvCache.FP8:
        settings.append(Setting("kv-cache-dtype", "fp8", "twice the tokens; measure what it costs in answers"))
    else:
        settings.append(Setting("kv-cache-dtype", "auto", "keys and values as the model computes them: no loss"))
    if wanted.speculation.kind is not SpeculationKind.NONE:
        settings.append(
            Setting("speculative-config", speculative_config(wanted.speculation), _why_draft(wanted.speculation))
        )
    return tuple(settings)


def speculative_config(speculation: Speculation) -> Mapping[str, Any]:
    """Write vLLM's JSON for a way to draft; empty for none."""
    length = {"num_speculative_tokens": speculation.num_draft_tokens}
    match speculation.kind:
        case SpeculationKind.NONE:
            return {}
        case SpeculationKind.NGRAM:
            return {"method": "ngram", **length, "prompt_lookup_min": 2, "prompt_lookup_max": 4}
        case SpeculationKind.SUFFIX:
            # 0: no tree over finished requests, through which one user's words would become another's drafts.
            return {"method": "suffix", **length, "suffix_decoding_max_cached_requests": 0}
        case SpeculationKind.EAGLE:
            return {"method": "eagle3", "model": speculation.model, **length}
        case SpeculationKind.DRAFT:
            return {"method": "draft_model", "model": speculation.model, **length}


def vllm_notes(wanted: Wanted) -> tuple[str, ...]:
    """Say what else must be known."""
    if wanted.speculation.kind is SpeculationKind.SUFFIX:
        return (
            f"suffix decoding needs arctic-inference beside vLLM {VERSION}, which asks for: "
            "pip install arctic-inference==0.1.1",
        )
    return ()


def _why_draft(speculation: Speculation) -> str:
    match speculation.kind:
        case SpeculationKind.NONE:
            return ""
        case SpeculationKind.NGRAM:
            return "drafts from the request's own text; pays where answers repeat their prompt and cards are not full"
        case SpeculationKind.SUFFIX:
            return "drafts from the request's own text, as long as the match deserves; none from other requests"
        case SpeculationKind.EAGLE:
            return "an EAGLE-3 head of this model; pays while decoding waits for memory, not when cards are full"
        case SpeculationKind.DRAFT:
            return "a smaller model drafts; pays while decoding waits for memory, not when cards are full"
