"""Speculation beside no speculation on the embedded engine: every method that the engine offers, at each load.

The measurement is that of ``abruzzi engine tune``; nothing of it is kept here. What is compared is the seconds of one
token, CPU seconds where the platform tells them, as a mean over the kinds of text, round by round. The goal binds the
method that the measurement itself would choose: it may not be slower than 0.97 times off.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from abruzzi.cli.bench_report import Report
from abruzzi.cli.ratios import Ratio, estimate_ratio
from abruzzi.cli.wiring import embedded_settings, fetch_weights
from abruzzi.engine.self_measurement import Plan
from abruzzi.engine.self_measurement import measure as measure_methods
from abruzzi.engine.speculation import DEFAULTS, offered_methods
from abruzzi.engine.speculation_choice import OFF, OFF_AGAIN, Load, Timing, find_gains
from abruzzi.errors import ConfigError
from abruzzi.models.specs import EmbeddedSpec, HubSpec, parse_spec

GOAL = 1 / 0.97
SLOTS = 3


def measure(model: str, repeats: int, tokens: int, tell: Callable[[str], None]) -> Report:
    """Measure every method that needs no weights of its own.

    Args:
        model: ``embedded:base``, ``embedded:FILE.gguf`` or ``hf:…``; an adapter is not measured.
        repeats: rounds.
        tokens: of each text, at most.
        tell: told of each round.

    Raises:
        ConfigError: the model is no embedded one.
        EngineError: an engine does not start.
    """
    spec = parse_spec(model)
    if not isinstance(spec, EmbeddedSpec | HubSpec):
        raise ConfigError(f"{model!r} does not run in the embedded engine: name embedded:base or embedded:FILE.gguf")
    offered = offered_methods()
    speculations = [DEFAULTS[method] for method in DEFAULTS if method in offered]
    settings = embedded_settings(fetch_weights(spec), SLOTS)
    timings = measure_methods(settings, speculations, Plan(repeats, tokens, keeps_all=True), tell)
    chosen = find_gains(timings, speculations).pick(is_one_user=True)
    return describe(timings, OFF if chosen is None else chosen.name)


def describe(timings: Sequence[Timing], chosen: str) -> Report:
    """Put timings into a report.

    Args:
        timings: of all methods, off among them, in equally many rounds.
        chosen: the method that an engine would take; ``off`` is a choice.
    """
    rows: list[dict[str, Any]] = []
    ratios: list[Ratio] = []
    for load in Load:
        off = _by_round(timings, OFF, load)
        for name in dict.fromkeys(one.name for one in timings if one.name not in (OFF, OFF_AGAIN)):
            mine = [one for one in timings if one.name == name and one.load is load]
            drafted, accepted = (
                sum(getattr(one, part) for one in mine) for part in ("draft_tokens", "accepted_tokens")
            )
            goal = GOAL if name == chosen else None
            ratio = estimate_ratio(
                f"{name} / off, {load}, seconds a token", _by_round(timings, name, load), off, goal=goal
            )
            ratios.append(ratio)
            rows.append(
                {
                    "method": name,
                    "load": str(load),
                    "chosen": "yes" if name == chosen else "no",
                    "drafted": drafted,
                    "accepted": accepted / drafted if drafted else 0.0,
                    "time_ratio": ratio.value,
                }
            )
    return Report(f"speculation on the embedded engine; an engine would take: {chosen}", rows, ratios)


def _by_round(timings: Sequence[Timing], name: str, load: Load) -> list[float]:
    """Seconds of one token in each round, each the mean over the kinds of text."""
    mine = [one for one in timings if one.name == name and one.load is load]
    rounds = sorted({one.round for one in mine})
    return [statistics.fmean(one.seconds_per_token for one in mine if one.round == number) for number in rounds]
