"""Exports a checkpoint, and on request checks that what was exported answers as what was trained."""

import os
from pathlib import Path
from typing import Any, Literal

from abruzzi.cli.wiring import cache_folder
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.errors import ConfigError
from abruzzi.nouns import Message
from abruzzi.training.base import Source, find_base
from abruzzi.training.checkpoint import find_checkpoint
from abruzzi.training.export import (
    Exported,
    export_adapter_gguf,
    export_adapter_hf,
    export_merged_gguf,
    export_merged_hf,
    open_merged,
)
from abruzzi.training.fidelity import Fidelity, compare_answers, engine_completer, torch_completer
from abruzzi.training.lineage import find_start, is_adapter, is_exported, name_base
from abruzzi.training.material import gather_portions, held_out_prompts
from abruzzi.training.recipe import ModelSettings, Recipe, build_recipe
from abruzzi.training.run_record import read_run
from abruzzi.training.tokens import encode_prompt

Kind = Literal["adapter-hf", "merged-hf", "adapter-gguf", "merged-gguf"]
CHECK_TOKENS = 128
CHECK_QUESTION = "What is {} + {}?"


def run_export(run: Path, kind: Kind, out: Path, *, precision: str | None, check: int) -> int:
    """Export a run's last checkpoint, or the checkpoint that is named.

    Args:
        run: the folder of a run, a checkpoint, or an adapter that was exported before.
        kind: what is written.
        out: a folder, or a GGUF file.
        precision: of the weights; None takes the kind's default.
        check: prompts that both models complete greedily; 0 leaves the check out.

    Raises:
        AbruzziError: it cannot be exported; says why.
    """
    checkpoint = find_start(run)
    recipe = None if is_exported(checkpoint) else _read_recipe(run, checkpoint)
    base = _find_named(name_base(checkpoint)) if recipe is None else _find_base(recipe.model)
    exported = _export(checkpoint, kind, out, base, {} if precision is None else {"precision": precision})
    print(f"{exported.path} ({exported.num_bytes / 1e6:.1f} MB of weights)")
    if check:
        print(_describe(_check(checkpoint, kind, exported, base, recipe, check)))
    return 0


def _read_recipe(run: Path, checkpoint: Path) -> Recipe:
    folder = run if run != checkpoint else checkpoint.parent.parent
    return build_recipe(read_run(folder)["recipe"], str(folder))


def _find_base(model: ModelSettings) -> Source | None:
    """Find what the trained weights lie on: the base, or for an adapter the whole weights that its run started from."""
    if model.method == "lora" and model.start is not None and not is_adapter(find_start(model.start)):
        return _find_named(model.start)
    return None if model.base == "scratch" else _find_named(model.base)


def _find_named(name: str) -> Source:
    """Find weights by the name that a record gives them: a run's folder, or a base."""
    if find_checkpoint(Path(name)) is not None:
        return Source(name, find_start(name))
    return find_base(name, cache_dir=cache_folder(os.environ))


def _export(checkpoint: Path, kind: Kind, out: Path, base: Source | None, settings: dict[str, Any]) -> Exported:
    if kind == "merged-hf":
        return export_merged_hf(checkpoint, out, base=base, **settings)
    if kind == "merged-gguf":
        return export_merged_gguf(checkpoint, out, base=base, **settings)
    if base is None:
        raise ConfigError("a model from scratch has no adapter; export it as merged-hf or merged-gguf")
    export = export_adapter_hf if kind == "adapter-hf" else export_adapter_gguf
    return export(checkpoint, out, base=base, **settings)


def _check(
    checkpoint: Path, kind: Kind, exported: Exported, base: Source | None, recipe: Recipe | None, count: int
) -> Fidelity:
    """Complete prompts of held-out items with both; plain sums where no recipe is known."""
    model, opened = open_merged(checkpoint, base)
    tokenizer: Any = opened
    end_id: int = tokenizer.eos_token_id
    prompts = _make_prompts(recipe, tokenizer, count)

    def decode(ids: Any) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True))

    def compare(complete: Any) -> Fidelity:
        return compare_answers(model, complete, prompts, decode=decode, end_id=end_id, max_tokens=CHECK_TOKENS)

    if kind.endswith("-hf"):
        other, _ = open_merged(exported.path, base if kind == "adapter-hf" else None)
        return compare(torch_completer(other, end_id=end_id, max_tokens=CHECK_TOKENS))
    runs_base = kind == "adapter-gguf"
    if runs_base and (base is None or base.gguf is None):
        raise ConfigError("an adapter is checked on its base's GGUF file, and the base has none; export merged-gguf")
    settings = EngineSettings(
        model=base.gguf if runs_base and base is not None and base.gguf is not None else exported.path,
        adapters=(Adapter("trained", exported.path),) if runs_base else (),
        slots=1,
    )
    with Engine(settings) as engine:
        adapter = "trained" if runs_base else None
        return compare(engine_completer(engine, end_id=end_id, max_tokens=CHECK_TOKENS, adapter=adapter))


def _make_prompts(recipe: Recipe | None, tokenizer: Any, count: int) -> list[list[int]]:
    asked = [] if recipe is None else held_out_prompts(recipe.data, tokenizer, gather_portions(recipe.data))
    prompts = [list(prompt.ids) for prompt in asked]
    if not prompts:  # an adapter alone, or a recipe of files
        questions = (CHECK_QUESTION.format(number, number + 1) for number in range(count))
        prompts = [encode_prompt(tokenizer, (Message("user", question),)) for question in questions]
    stride = max(1, len(prompts) // count)
    return prompts[::stride][:count]


def _describe(fidelity: Fidelity) -> str:
    text = (
        f"{fidelity.num_equal} of {fidelity.num_prompts} greedy completions are token by token the same, "
        f"{fidelity.num_equal_answers} answers"
    )
    if fidelity.divergences:
        text += f"; where they part, the two tokens' logits are at most {fidelity.max_gap:.3f} apart"
    return text
