"""The rates that docs/guard.md states are the rates of today's rules."""

import re
from pathlib import Path

import anyio

from tests.serving.guard.measure import measure, read_cases

DOCUMENT = Path(__file__).parents[3] / "docs" / "guard.md"


def test_there_are_enough_cases_and_no_two_are_the_same() -> None:
    cases = list(read_cases())
    assert len({case.text for case in cases}) == len({case.id for case in cases}) == len(cases)
    for kind in ("attack", "benign"):
        assert sum(case.kind == kind for case in cases) >= 60


def test_the_documented_rates_are_measured_ones() -> None:
    total, stopped = anyio.run(measure)
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (attack|benign) \| (\w+) \| ([^|]+?) \| (\d+) of (\d+) \|", text, flags=re.MULTILINE)
    documented = {(kind, channel, how): (int(hit), int(whole)) for kind, channel, how, hit, whole in rows}
    assert documented == {group: (stopped[group], total[group]) for group in total}
