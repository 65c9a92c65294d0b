"""Has the embedded engine measure itself, and shows and keeps what it found."""

import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from abruzzi.cli.wiring import cache_folder, embedded_settings, fetch_weights
from abruzzi.engine.self_measurement import Plan, measure
from abruzzi.engine.speculation import DEFAULTS, Speculation, check_offered, offered_methods, parse_speculation
from abruzzi.engine.speculation_choice import OFF, Load, TextKind, Timing, Tuned, find_differences, find_gains
from abruzzi.engine.tuned import circumstances_of, save_tuned
from abruzzi.errors import ConfigError
from abruzzi.models.specs import EmbeddedSpec, HubSpec, parse_spec


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be measured."""

    model: str
    n: int
    """Slots that are busy when the engine is."""
    methods: tuple[str, ...]
    """Empty: all that need no draft model."""
    draft: Path | None
    rounds: int
    tokens: int
    keeps_all: bool


def tune(wish: Wish, *, as_json: bool) -> None:
    """Measure, keep what was found, and print it.

    Raises:
        ConfigError: the model is not the embedded engine's, or a method is not to be had.
        EngineError: an engine did not start or broke off.
    """
    spec = parse_spec(wish.model)
    if not isinstance(spec, EmbeddedSpec | HubSpec):
        raise ConfigError(f"{wish.model!r} does not run in the embedded engine: name embedded or a GGUF file")
    speculations = _choose_methods(wish.methods, wish.draft)
    settings = embedded_settings(fetch_weights(spec), wish.n)
    timings = measure(settings, speculations, Plan(wish.rounds, wish.tokens, keeps_all=wish.keeps_all), _tell)
    differing = {one.name for one in find_differences(timings)}
    for name in sorted(differing):
        _tell(f"{name} wrote another text than off: report this as a bug; it is not chosen")
    tuned = find_gains(timings, [one for one in speculations if one.name not in differing])
    circumstances = circumstances_of(settings)
    path = save_tuned(cache_folder(os.environ), circumstances, tuned)
    if as_json:
        facts = {
            "circumstances": asdict(circumstances),
            "rounds": wish.rounds,
            "tokens": wish.tokens,
            **_choices(tuned),
        }
        timed = {"methods": tuned.to_json(), "timings": [asdict(one) for one in timings]}
        print(json.dumps({**facts, "differing": sorted(differing), **timed}, indent=1))
        return
    _print(_summarise(timings))
    _print_findings(tuned)
    _tell(f"kept in {path}")


def _choices(tuned: Tuned) -> dict[str, dict[str, str]]:
    """What engines take, and what would be best at a load by itself."""

    def name(speculation: Speculation | None) -> str:
        return "off" if speculation is None else speculation.name

    users = {"one user": True, "several users": False}
    return {
        "chosen": {who: name(tuned.pick(is_one_user=is_one_user)) for who, is_one_user in users.items()},
        "best_by_load": {str(load): name(tuned.pick_at(load, is_one_user=True)) for load in Load},
    }


def _print_findings(tuned: Tuned) -> None:
    for speculation, found in tuned.findings:
        for finding in found:
            word = "pays" if finding.pays else "loses" if finding.loses else "in doubt"
            print(
                f"{speculation.name}, {finding.load}: {word}; median {finding.median:.2f} of off's speed "
                f"({min(finding.speed_ups):.2f} to {max(finding.speed_ups):.2f}; off against itself within "
                f"{finding.noise:.2f})"
            )
    choices = _choices(tuned)
    chosen, by_load = choices["chosen"], choices["best_by_load"]
    print(f"chosen: {chosen['one user']}; where several users ask: {chosen['several users']}")
    print("best at one load by itself: " + ", ".join(f"{load} {name}" for load, name in by_load.items()))


def _choose_methods(names: Sequence[str], draft: Path | None) -> list[Speculation]:
    offered = offered_methods()
    texts = [*names, *([] if draft is None else [f"draft={draft}"])]
    if not names:
        texts = [*(str(method) for method in DEFAULTS if method in offered), *texts]
    wanted = [one for one in (parse_speculation(text) for text in dict.fromkeys(texts)) if one is not None]
    if not wanted:
        raise ConfigError("there is nothing to hold against off: name a method other than off")
    for speculation in wanted:
        check_offered(speculation, offered)
    return wanted


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _summarise(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """A row for each method, load and kind of text, over its rounds; ratios are taken round by round."""
    off = {(one.load, one.kind, one.round): one for one in timings if one.name == OFF}
    groups: dict[tuple[str, Load, TextKind], list[Timing]] = {}
    for one in timings:
        groups.setdefault((one.name, one.load, one.kind), []).append(one)
    rows: list[dict[str, Any]] = []
    for (name, load, kind), group in groups.items():
        drafted, accepted, tokens = (
            sum(getattr(one, part) for one in group)
            for part in ("draft_tokens", "accepted_tokens", "completion_tokens")
        )
        beside = [(off[load, kind, one.round], one) for one in group]
        ratios = sorted(plain.seconds_per_token / one.seconds_per_token for plain, one in beside)
        walls = [plain.wall_s / plain.completion_tokens / (one.wall_s / one.completion_tokens) for plain, one in beside]
        rows.append(
            {
                "method": name,
                "load": str(load),
                "text": str(kind),
                "rounds": len(group),
                "accepted": accepted / drafted if drafted else None,
                "tokens a step": tokens / (tokens - accepted),
                "speed": statistics.median(ratios),
                "least": ratios[0],
                "most": ratios[-1],
                "wall": statistics.median(walls),
            }
        )
    return rows


def _print(rows: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="speed: off's seconds a token ÷ the method's; above 1 is faster", box=None, title_justify="left"
    )
    for column, value in rows[0].items():
        table.add_column(column, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        cells = (
            "-" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row.values()
        )
        table.add_row(*cells)
    Console().print(table)
