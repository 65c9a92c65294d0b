"""Runs a stage of training: wires what a recipe names, shows how far it is, and says what came of it."""

import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from abruzzi.cli.gauge import Gauge, open_gauge
from abruzzi.cli.wiring import MAX_SLOTS, cache_folder
from abruzzi.data.contamination.find import Settings, find_contamination
from abruzzi.data.difficulty import keep_between, read_pass_rates
from abruzzi.data.rows import MalformedRow
from abruzzi.data.splits import get_question
from abruzzi.data.training_rows import TrainingRow
from abruzzi.engine.settings import EngineSettings
from abruzzi.errors import ConfigError, DataError
from abruzzi.evaluation.benchmarks.registry import find_benchmark
from abruzzi.training.base import find_base
from abruzzi.training.gguf import write_adapter
from abruzzi.training.grpo.engine_sampler import EngineSampler
from abruzzi.training.grpo.rollouts import Sampler
from abruzzi.training.grpo.torch_sampler import TorchSampler
from abruzzi.training.grpo.train import Grpo, train_grpo
from abruzzi.training.material import gather_lessons, gather_portions, gather_prompts, held_out_prompts
from abruzzi.training.policy import HOST, Policy, open_policy
from abruzzi.training.processes import Processes, join_processes
from abruzzi.training.rates import measure_rates
from abruzzi.training.recipe import DataSettings, Recipe
from abruzzi.training.run_record import start_record
from abruzzi.training.scratch import make_tokenizer
from abruzzi.training.sft import Sft, train_sft
from abruzzi.training.tokens import encode_examples
from abruzzi.training.trackers import Tracker, open_tracker


def run_sft(recipe: Recipe, out: Path | None) -> int:
    """Run the SFT stage of a recipe.

    Raises:
        AbruzziError: it cannot be run, or cannot go on; what was saved stays.
    """
    settings = recipe.sft
    if settings is None:
        raise ConfigError(f"the recipe {recipe.name} has no table [sft]; did you mean 'abruzzi train grpo'?")
    run = out or Path("runs") / recipe.name
    processes = join_processes()
    lessons = gather_lessons(recipe.data)
    if processes.is_main:
        _tell_malformed(lessons.malformed)
    contamination = check_clean(recipe.data, map(get_question, lessons.examples))
    tokenizer = None
    if recipe.model.base == "scratch" and recipe.model.start is None:
        tokenizer = make_tokenizer(
            text for e in lessons.examples for text in (*(m.content for m in e.messages), e.completion)
        )
    policy = open_policy(
        recipe.model, cache_dir=cache_folder(os.environ), seed=settings.seed, tokenizer=tokenizer, device=HOST
    )
    encoded = encode_examples(policy.tokenizer, lessons.examples, max_tokens=settings.max_tokens)
    facts = {
        "stage": "sft",
        "base": policy.identity,
        "trained_on": policy.trained_on,
        "num_processes": processes.count,
        "num_examples": len(encoded.kept),
        "num_too_long": encoded.num_too_long,
        "num_malformed": len(lessons.malformed),
        "num_tokens": sum(len(tokens.ids) for tokens in encoded.kept),
        "contamination": contamination,
        **_sizes(policy),
    }
    processes.by_main(lambda: start_record(run, recipe, facts))
    with _watch_sft(recipe, run, processes) as show:
        train_sft(
            Sft(
                policy=policy,
                examples=encoded.kept,
                settings=settings,
                run=run,
                is_bf16=recipe.model.dtype == "bfloat16",
                on_row=show,
            )
        )
    if processes.is_main:
        print(f"{run}: trained; next: abruzzi train report {run}")
    return 0


def run_grpo(recipe: Recipe, out: Path | None) -> int:
    """Run the GRPO stage of a recipe.

    Raises:
        AbruzziError: it cannot be run, or cannot go on; what was saved stays.
    """
    settings = recipe.grpo
    if settings is None:
        raise ConfigError(f"the recipe {recipe.name} has no table [grpo]; did you mean 'abruzzi train sft'?")
    run = out or Path("runs") / recipe.name
    portions = gather_portions(recipe.data)
    malformed = [row for portion in portions for row in portion.malformed]
    _tell_malformed(malformed)
    contamination = check_clean(recipe.data, (item.question for portion in portions for item in portion.train))
    policy = open_policy(recipe.model, cache_dir=cache_folder(os.environ), seed=settings.seed)
    prompts = gather_prompts(recipe.data, policy.tokenizer, portions)
    held_out = held_out_prompts(recipe.data, policy.tokenizer, portions)
    facts = {
        "stage": "grpo",
        "base": policy.identity,
        "trained_on": policy.trained_on,
        "num_prompts": len(prompts),
        "num_filtered": sum(portion.num_filtered for portion in portions),
        "num_held_out": len(held_out),
        "num_malformed": len(malformed),
        "contamination": contamination,
        **_sizes(policy),
    }
    start_record(run, recipe, facts)
    with (
        open_gauge() as gauge,
        open_sampler(policy, recipe) as sampler,
        _open_tracker(recipe, run) as tracker,
    ):
        train_grpo(
            Grpo(
                policy=policy,
                sampler=sampler,
                prompts=prompts,
                held_out=held_out,
                settings=settings,
                run=run,
                on_row=_show_grpo(gauge, tracker, settings.steps),
            )
        )
    print(f"{run}: trained; next: abruzzi train report {run}")
    return 0


def run_rates(recipe: Recipe, out: Path, samples: int) -> int:
    """Measure how often the model of a GRPO recipe, as it is now, gets each training item right.

    Raises:
        AbruzziError: it cannot be measured; what was measured stays.
    """
    settings = recipe.grpo
    if settings is None:
        raise ConfigError(f"the recipe {recipe.name} has no table [grpo]; rates are of the prompts that GRPO asks")
    policy = open_policy(recipe.model, cache_dir=cache_folder(os.environ), seed=settings.seed)
    prompts = gather_prompts(recipe.data, policy.tokenizer, gather_portions(recipe.data))
    with open_gauge() as gauge, open_sampler(policy, recipe) as sampler:
        sampler.sync()
        measure_rates(
            out,
            prompts,
            sampler,
            policy.tokenizer,
            name=recipe.name,
            samples=samples,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            on_batch=lambda done, total: gauge.show("rates", done, total),
        )
    kept = keep_between((p.item for p in prompts), read_pass_rates(out, recipe.name), 0.0, 1.0)
    print(
        f"{out}: of {len(prompts)} items {kept.num_below} never pass and {kept.num_above} always; "
        f"for the other {len(kept.items)} add --set data.rates={out} --set data.rates_of={recipe.name}"
    )
    return 0


def check_clean(data: DataSettings, questions: Iterable[str]) -> dict[str, Any] | None:
    """See that no training row matches an item of the recipe's benchmarks.

    Returns:
        What was found, for the record; None where the recipe names no benchmark.

    Raises:
        DataError: rows match, and the recipe does not allow it.
    """
    if not data.benchmarks:
        return None
    items = {name: find_benchmark(name).load(None) for name in data.benchmarks}
    rows = (TrainingRow("recipe", number, (text,)) for number, text in enumerate(questions, start=1))
    report = find_contamination(items, rows, Settings())
    if report.num_dirty and not data.allow_dirty:
        first = next(match for benchmark in report.benchmarks for match in benchmark.dirty)
        raise DataError(
            f"{report.num_dirty} benchmark items are in the training data, first {first.item} ({first.kind}, "
            f"{first.evidence.train[:80]!r}): leave these rows out, or set data.allow_dirty = true and say so"
        )
    return {"num_dirty": report.num_dirty, "benchmarks": list(data.benchmarks)}


@contextmanager
def open_sampler(policy: Policy, recipe: Recipe) -> Generator[Sampler]:
    """Open what a GRPO recipe samples with.

    Raises:
        ConfigError: llama.cpp cannot run this model under an adapter.
    """
    assert recipe.grpo is not None, "checked by the caller"
    if recipe.grpo.sampler == "torch":
        yield TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=recipe.grpo.rows)
        return
    gguf = None
    if recipe.model.base != "scratch" and recipe.model.method == "lora":
        gguf = find_base(recipe.model.base, cache_dir=cache_folder(os.environ)).gguf
    if gguf is None:
        raise ConfigError(
            "grpo.sampler = 'engine' runs a GGUF base under the adapter that is trained; set model.base to 'embedded' "
            "or a .gguf file and model.method to 'lora', or take sampler = 'torch'"
        )

    def write(path: Path) -> None:
        """Write the adapter as it is now."""
        with tempfile.TemporaryDirectory(prefix="abruzzi-adapter-") as folder:
            policy.model.save_pretrained(folder)
            write_adapter(Path(folder), policy.core.config, path)

    settings = EngineSettings(model=gguf, slots=min(recipe.grpo.rows, MAX_SLOTS))
    with EngineSampler(settings, write_adapter=write) as sampler:
        yield sampler


@contextmanager
def _watch_sft(recipe: Recipe, run: Path, processes: Processes) -> Generator[Callable[[dict[str, Any]], None]]:
    """Give what shows a step and passes it on to the tracker; opened in the main process, and called there."""
    with ExitStack() as opened:
        gauge = opened.enter_context(open_gauge())
        trackers: list[Tracker] = []
        processes.by_main(lambda: trackers.append(opened.enter_context(_open_tracker(recipe, run))))

        def show(row: dict[str, Any]) -> None:
            """Show a step."""
            gauge.show("sft", row["step"], row["num_steps"], f"loss {row['loss']:.3f}")
            trackers[0].log(row)

        yield show


def _open_tracker(recipe: Recipe, run: Path) -> Tracker:
    tracker = open_tracker(recipe.watch, recipe.name, recipe.model_dump(mode="json"), run)
    if tracker.hint:
        print(tracker.hint, file=sys.stderr)
    return tracker


def _show_grpo(gauge: Gauge, tracker: Tracker, num_steps: int) -> Callable[[dict[str, Any]], None]:
    accuracy = ""

    def show(row: dict[str, Any]) -> None:
        """Show a step, or remember what was measured."""
        nonlocal accuracy
        tracker.log(row)
        if row["kind"] == "held_out":
            accuracy = ", held out: no verdict"
            if row["accuracy"] is not None:
                low, high = row["interval"]
                accuracy = f", held out {row['accuracy']:.1%} ({low:.1%} to {high:.1%})"
            if row["step"] == 0:
                gauge.show("grpo", 0, num_steps, accuracy.removeprefix(", "))
            return
        speed = row["num_rollouts"] / row["seconds"]["all"]
        reward = "none" if row["reward"] is None else f"{row['reward']:.2f}"
        gauge.show("grpo", row["step"], num_steps, f"reward {reward}, {speed:.1f} rollouts/s{accuracy}")

    return show


def _sizes(policy: Policy) -> dict[str, int]:
    return {
        "num_parameters": sum(weight.numel() for weight in policy.core.parameters()),
        "num_trained": sum(weight.numel() for weight in policy.trained().values()),
    }


def _tell_malformed(rows: Sequence[MalformedRow]) -> None:
    if rows:
        print(f"{len(rows)} rows cannot be used, first: {rows[0].file}: {rows[0].reason}", file=sys.stderr)
