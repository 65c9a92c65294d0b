"""Decides from measurements whether speculation pays, and by which method; knows no engine.

The rule, for one load (one completion alone, or all slots busy):

1. A round's speed-up is the seconds a token without drafts ÷ with them, each the mean over the kinds of text. CPU
   seconds count where the platform tells them, else wall seconds.
2. Each round measures "off" twice. The larger of the two ÷ the smaller, of the worst round, is the noise.
3. A method pays if it was measured in at least five rounds, every one of its speed-ups is above the noise, and their
   median is at least 1.03.
4. It loses if its median, or that of any one kind of text, is below 0.97.

An engine keeps its method whatever its load, so it takes one that pays at one load and loses at neither. Of several it
takes the one with the largest product of medians. Ties, doubts and missing measurements mean off.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from abruzzi.engine.speculation import Speculation

MIN_ROUNDS = 5
LEAST_GAIN = 1.03
LEAST_LOSS = 0.97
OFF, OFF_AGAIN = "off", "off again"


class Load(StrEnum):
    """How busy the engine is."""

    ALONE = "alone"
    """One completion at a time."""
    FULL = "full"
    """As many as there are slots."""


class TextKind(StrEnum):
    """What is written."""

    REASONING = "reasoning"
    COPYING = "copying"
    CODE = "code"
    JUDGING = "judging"


@dataclass(frozen=True, slots=True)
class Timing:
    """One request, from its first token on."""

    name: str
    """The speculation's, ``OFF`` or ``OFF_AGAIN``."""
    load: Load
    kind: TextKind
    round: int
    completion_tokens: int
    """Of all completions of the request."""
    draft_tokens: int
    accepted_tokens: int
    cpu_s: float | None
    """Of the engine's process; None where the platform does not tell."""
    wall_s: float
    text_sha256: str
    """Of the completions: all methods must have written the same."""

    @property
    def seconds_per_token(self) -> float:
        """CPU seconds where they are known, else wall seconds; of one token of one completion."""
        return (self.wall_s if self.cpu_s is None else self.cpu_s) / self.completion_tokens


@dataclass(frozen=True, slots=True)
class Finding:
    """What one method is worth at one load."""

    load: Load
    speed_ups: tuple[float, ...]
    """One a round; above 1 it is faster than off."""
    median_by_kind: dict[str, float]
    noise: float
    """Off against off, as a ratio of at least 1."""
    acceptance_rate: float
    """Accepted ÷ drafted; 0 where nothing was drafted."""
    tokens_per_step: float

    @property
    def median(self) -> float:
        """Of the rounds' speed-ups."""
        return statistics.median(self.speed_ups)

    @property
    def pays(self) -> bool:
        """True when it beats off beyond the noise; rule 3."""
        is_clear = len(self.speed_ups) >= MIN_ROUNDS and min(self.speed_ups) > max(1.0, self.noise)
        return is_clear and self.median >= LEAST_GAIN and not self.loses

    @property
    def loses(self) -> bool:
        """True when it is slower than off, or is for one kind of text; rule 4."""
        return min(self.median, *self.median_by_kind.values()) < LEAST_LOSS


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found of every method, at every load that was measured."""

    findings: tuple[tuple[Speculation, tuple[Finding, ...]], ...]

    def pick(self, *, is_one_user: bool) -> Speculation | None:
        """Choose the method of an engine.

        Args:
            is_one_user: False leaves out methods that keep something of one question for the next.

        Returns:
            None for off.
        """
        paying = [
            (statistics.geometric_mean(finding.median for finding in found), speculation)
            for speculation, found in self.findings
            if (is_one_user or speculation.method.is_isolated)
            and any(finding.pays for finding in found)
            and not any(finding.loses for finding in found)
        ]
        return max(paying, key=lambda pair: pair[0])[1] if paying else None

    def pick_at(self, load: Load, *, is_one_user: bool) -> Speculation | None:
        """Choose as ``pick`` does, as if the engine had never another load than this one."""
        findings = tuple(
            (speculation, tuple(finding for finding in found if finding.load is load))
            for speculation, found in self.findings
        )
        return Tuned(findings).pick(is_one_user=is_one_user)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data for ``json.dumps``."""
        return [
            {
                "speculation": speculation.to_json(),
                "findings": [
                    {
                        "load": str(finding.load),
                        "speed_ups": list(finding.speed_ups),
                        "median_by_kind": finding.median_by_kind,
                        "noise": finding.noise,
                        "acceptance_rate": finding.acceptance_rate,
                        "tokens_per_step": finding.tokens_per_step,
                    }
                    for finding in found
                ],
            }
            for speculation, found in self.findings
        ]

    @classmethod
    def from_json(cls, data: list[dict[str, Any]]) -> "Tuned":
        """The findings again.

        Raises:
            KeyError: a field is missing.
            ValueError: a field has another form.
            TypeError: likewise.
        """
        return cls(
            tuple(
                (
                    Speculation.from_json(row["speculation"]),
                    tuple(_read_finding(found) for found in row["findings"]),
                )
                for row in data
            )
        )


def _read_finding(data: dict[str, Any]) -> Finding:
    typed: dict[str, Any] = {"load": Load(data["load"]), "speed_ups": tuple(data["speed_ups"])}
    return Finding(**{**data, **typed})


def find_differences(timings: Sequence[Timing]) -> list[Timing]:
    """Name the requests whose text was not that of off: there should be none."""
    plain = {(one.load, one.kind, one.round): one.text_sha256 for one in timings if one.name == OFF}
    return [one for one in timings if one.text_sha256 != plain[one.load, one.kind, one.round]]


def find_gains(timings: Sequence[Timing], speculations: Sequence[Speculation]) -> Tuned:
    """Compare each method with off.

    Args:
        timings: of whole rounds: off, off again and the methods, all kinds of text.
        speculations: the methods; one that has no timings is left out.
    """
    return Tuned(
        tuple(
            (
                speculation,
                tuple(
                    _find(timings, speculation.name, load)
                    for load in Load
                    if any(timing.name == speculation.name and timing.load is load for timing in timings)
                ),
            )
            for speculation in speculations
            if any(timing.name == speculation.name for timing in timings)
        )
    )


def _find(timings: Sequence[Timing], name: str, load: Load) -> Finding:
    by_place = {
        (timing.name, timing.round, timing.kind): timing.seconds_per_token for timing in timings if timing.load is load
    }
    own = [timing for timing in timings if timing.load is load and timing.name == name]
    kinds = list(dict.fromkeys(timing.kind for timing in own))

    def mean(of: str, turn: int) -> float:
        return statistics.fmean(by_place[of, turn, kind] for kind in kinds)

    own_rounds = sorted({timing.round for timing in own})
    again = [mean(OFF_AGAIN, turn) / mean(OFF, turn) for turn in own_rounds]
    drafted, accepted = (sum(getattr(timing, part) for timing in own) for part in ("draft_tokens", "accepted_tokens"))
    tokens = sum(timing.completion_tokens for timing in own)
    return Finding(
        load=load,
        speed_ups=tuple(mean(OFF, turn) / mean(name, turn) for turn in own_rounds),
        median_by_kind={
            str(kind): statistics.median(by_place[OFF, turn, kind] / by_place[name, turn, kind] for turn in own_rounds)
            for kind in kinds
        },
        noise=max(max(ratio, 1 / ratio) for ratio in again),
        acceptance_rate=accepted / drafted if drafted else 0.0,
        tokens_per_step=tokens / (tokens - accepted),
    )
