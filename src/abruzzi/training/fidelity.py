"""Does the exported model answer as the trained one?

Both complete the same prompts greedily, and their tokens are compared one by one. Another precision or another
engine's arithmetic may decide a tie otherwise, and from there on the two texts part; that is no mistake. A mistake is a
parting where the trained model was in no doubt. So for the first token that differs, the trained model is asked for the
gap between its own choice and the other's: near-ties have gaps of hundredths of a nat, a wrong export has gaps of nats.

It compares with one model and says nothing of right and wrong answers.
"""

import http.client
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import torch
from transformers import PreTrainedModel

from abruzzi.engine.process import Engine
from abruzzi.errors import EngineError
from abruzzi.verifiers.extract import extract_answer

Ids = Sequence[int]
Complete = Callable[[Sequence[Ids]], list[list[int]]]
"""Completes prompts greedily: token ids in, for each prompt the generated ids out, the end token left out."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place at which two completions of a prompt part."""

    prompt: int
    """Which one."""
    step: int
    """Generated tokens that are equal."""
    trained: int | None
    """The trained model's next token; None where it ended."""
    exported: int | None
    gap: float
    """Nats between the two under the trained model; never negative but for rounding. Small: a near-tie."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What a comparison found."""

    num_prompts: int
    num_equal: int
    """Completions with the same tokens from beginning to end."""
    num_equal_answers: int
    """Completions with the same extracted answer (also: none in both)."""
    divergences: tuple[Divergence, ...]

    @property
    def max_gap(self) -> float:
        """The largest gap (nats); 0 where all are equal."""
        return max((divergence.gap for divergence in self.divergences), default=0.0)


def compare_answers(
    model: PreTrainedModel,
    exported: Complete,
    prompts_P: Sequence[Ids],
    *,
    decode: Callable[[Ids], str],
    end_id: int,
    max_tokens: int,
    trained_P: Sequence[Ids] | None = None,
) -> Fidelity:
    """Compare an exported model's greedy completions with the trained model's.

    Args:
        model: as trained, adapters included, in float32.
        exported: completes prompts with what was exported, at most ``max_tokens`` each.
        prompts_P: token ids of each prompt.
        decode: turns ids into text.
        end_id: the token that ends a turn.
        max_tokens: limit of each completion.
        trained_P: the trained model's completions, where they are known already; None computes them.

    Raises:
        EngineError: the engine that runs the export failed.
    """
    if trained_P is None:
        trained_P = complete_torch(model, prompts_P, end_id=end_id, max_tokens=max_tokens)
    exported_P = exported(prompts_P)
    divergences: list[Divergence] = []
    num_equal_answers = 0
    for number, (prompt, ours, theirs) in enumerate(zip(prompts_P, trained_P, exported_P, strict=True)):
        num_equal_answers += _read_answer(decode(ours)) == _read_answer(decode(theirs))
        step = _count_equal(ours, theirs)
        if step < max(len(ours), len(theirs)):
            ids = [ids[step] if step < len(ids) else None for ids in (ours, theirs)]
            logits_V = next_logits(model, [*prompt, *ours[:step]])
            chosen, other = (logits_V[end_id if token is None else token].item() for token in ids)
            divergences.append(Divergence(number, step, ids[0], ids[1], chosen - other))
    return Fidelity(len(prompts_P), len(prompts_P) - len(divergences), num_equal_answers, tuple(divergences))


def complete_torch(
    model: PreTrainedModel, prompts_P: Sequence[Ids], *, end_id: int, max_tokens: int, rows: int = 16
) -> list[list[int]]:
    """Complete prompts greedily with a model in this process.

    Args:
        model: any causal language model.
        prompts_P: token ids of each prompt.
        end_id: the token that ends a turn; left out of what is returned.
        max_tokens: limit of each completion.
        rows: prompts completed side by side, of like length.
    """
    order = sorted(range(len(prompts_P)), key=lambda number: len(prompts_P[number]))
    completions_P: list[list[int]] = [[] for _ in prompts_P]
    for start in range(0, len(order), rows):
        numbers = order[start : start + rows]
        width = max(len(prompts_P[number]) for number in numbers)
        ids_B_T = torch.full((len(numbers), width), end_id)
        mask_B_T = torch.zeros_like(ids_B_T)
        for row, number in enumerate(numbers):
            ids_B_T[row, width - len(prompts_P[number]) :] = torch.tensor(prompts_P[number])
            mask_B_T[row, width - len(prompts_P[number]) :] = 1
        with torch.inference_mode():
            generated_B_T: torch.Tensor = cast("Any", model).generate(
                input_ids=ids_B_T.to(model.device),
                attention_mask=mask_B_T.to(model.device),
                max_new_tokens=max_tokens,
                do_sample=False,
                eos_token_id=end_id,
                pad_token_id=end_id,
            )
        for row, number in enumerate(numbers):
            generated: list[int] = cast("Any", generated_B_T[row, width:]).tolist()
            completions_P[number] = _until(generated, end_id)
    return completions_P


def next_logits(model: PreTrainedModel, ids: Ids) -> torch.Tensor:
    """Compute the logits of the token that follows; float32, shape (V,)."""
    with torch.inference_mode():
        return cast("Any", model)(torch.tensor([list(ids)], device=model.device)).logits[0, -1].float().cpu()


def engine_completer(engine: Engine, *, end_id: int, max_tokens: int, adapter: str | None = None) -> Complete:
    """Make a completer of a running engine.

    Args:
        engine: runs the exported model, or the base with the exported adapter.
        end_id: the token that ends a turn.
        max_tokens: limit of each completion.
        adapter: name of the adapter that is switched on.
    """
    settings = {"n_predict": max_tokens, "temperature": 0.0, "return_tokens": True, "cache_prompt": False}

    def _complete_one(prompt: Ids) -> list[int]:
        return _until(ask_engine(engine, prompt, adapter=adapter, settings=settings)["tokens"], end_id)

    def _complete(prompts_P: Sequence[Ids]) -> list[list[int]]:
        with ThreadPoolExecutor(engine.settings.slots) as pool:
            return list(pool.map(_complete_one, prompts_P))

    return _complete


def torch_completer(model: PreTrainedModel, *, end_id: int, max_tokens: int) -> Complete:
    """Make a completer of a model in this process."""
    return partial(complete_torch, model, end_id=end_id, max_tokens=max_tokens)


def ask_engine(engine: Engine, prompt: Ids, *, adapter: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Complete one prompt of token ids over llama.cpp's own ``/completion``.

    Raises:
        EngineError: it did not answer, or has no such adapter.
    """
    adapters = engine.adapter_ids
    if adapter is not None and adapter not in adapters:
        raise EngineError(f"the engine has no adapter {adapter!r}; it has {', '.join(adapters) or 'none'}")
    scales = [{"id": number, "scale": float(name == adapter)} for name, number in adapters.items()]
    body = json.dumps({"prompt": list(prompt), "lora": scales, **settings})
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=600)
    try:
        headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
        connection.request("POST", "/completion", body, headers)
        reply = connection.getresponse()
        answer: dict[str, Any] = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EngineError(f"the engine gave no completion ({error!r}): see its log") from error
    finally:
        connection.close()
    if reply.status != 200:
        raise EngineError(f"the engine refused a completion (HTTP {reply.status}): {json.dumps(answer)[:300]}")
    return answer


def _until(ids: Sequence[int], end_id: int) -> list[int]:
    """The ids before the first end token."""
    ids = list(ids)
    return ids[: ids.index(end_id)] if end_id in ids else ids


def _count_equal(ours: Ids, theirs: Ids) -> int:
    """Tokens at the beginning that are equal."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((step for step, (one, other) in pairs if one != other), min(len(ours), len(theirs)))


def _read_answer(text: str) -> str | None:
    found = extract_answer(text)
    return None if found is None else found.text
