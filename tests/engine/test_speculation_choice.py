"""The rule by which speculation is taken or left, on numbers worked out by hand."""

import math
from dataclasses import replace

import pytest

from abruzzi.engine.speculation import DEFAULTS, Method, Speculation
from abruzzi.engine.speculation_choice import (
    OFF,
    OFF_AGAIN,
    Finding,
    Load,
    TextKind,
    Timing,
    Tuned,
    find_differences,
    find_gains,
)

SIMPLE, POOL = DEFAULTS[Method.NGRAM_SIMPLE], DEFAULTS[Method.NGRAM_MOD]


def finding(*speed_ups: float, load: Load = Load.FULL, noise: float = 1.01, copying: float = 1.2) -> Finding:
    kinds = {"reasoning": speed_ups[0], "copying": copying}
    return Finding(load, speed_ups, kinds, noise, acceptance_rate=0.5, tokens_per_step=1.5)


def timing(name: str, kind: TextKind, number: int, seconds: float, **changes: float | int | None) -> Timing:
    whole = Timing(name, Load.ALONE, kind, number, 10, 0, 0, seconds, 99.0, "same")
    return replace(whole, **changes)


def test_speed_ups_are_ratios_of_means_over_kinds_of_text() -> None:
    timings = [
        *(timing(OFF, kind, 0, seconds) for kind, seconds in zip(TextKind, (1.0, 2.0, 3.0, 4.0), strict=True)),
        *(timing(OFF_AGAIN, kind, 0, seconds) for kind, seconds in zip(TextKind, (1.0, 2.0, 3.0, 4.5), strict=True)),
        *(
            timing(SIMPLE.name, kind, 0, seconds, draft_tokens=8, accepted_tokens=5)
            for kind, seconds in zip(TextKind, (2.0, 1.0, 3.0, 2.0), strict=True)
        ),
    ]
    ((speculation, (found,)),) = find_gains(timings, [SIMPLE, POOL]).findings
    assert speculation == SIMPLE
    assert found.speed_ups == (pytest.approx(10 / 8),)
    assert found.noise == pytest.approx(10.5 / 10)
    assert found.median_by_kind == {"reasoning": 0.5, "copying": 2.0, "code": 1.0, "judging": 2.0}
    assert found.acceptance_rate == 5 / 8
    assert found.tokens_per_step == 10 / (10 - 5)


def test_wall_seconds_count_where_cpu_seconds_are_not_told() -> None:
    assert timing(OFF, TextKind.CODE, 0, 2.0).seconds_per_token == 0.2
    assert timing(OFF, TextKind.CODE, 0, 2.0, cpu_s=None).seconds_per_token == 9.9


@pytest.mark.parametrize(
    ("found", "pays", "loses"),
    [
        (finding(1.05, 1.06, 1.04, 1.08, 1.05), True, False),
        (finding(1.05, 1.06, 1.04, 1.08), False, False),  # four rounds are too few
        (finding(1.05, 1.06, 1.00, 1.08, 1.05), False, False),  # one round within the noise
        (finding(1.05, 1.06, 1.04, 1.08, 1.05, noise=1.04), False, False),  # a tie with the noise
        (finding(1.02, 1.02, 1.02, 1.02, 1.02), False, False),  # too small a gain
        (finding(1.05, 1.06, 1.04, 1.08, 1.05, copying=0.96), False, True),  # a loss for one kind of text
        (finding(0.96, 0.95, 0.97, 0.96, 0.9), False, True),
        (finding(0.98, 0.99, 1.0, 1.0, 1.01), False, False),  # in doubt
    ],
)
def test_a_method_pays_only_beyond_the_noise(found: Finding, pays: bool, loses: bool) -> None:
    assert (found.pays, found.loses) == (pays, loses)


GAIN, DOUBT, LOSS = (1.1,) * 5, (1.0,) * 5, (0.9,) * 5


def at_both(
    speculation: Speculation, alone: tuple[float, ...], full: tuple[float, ...]
) -> tuple[Speculation, tuple[Finding, ...]]:
    return speculation, (finding(*alone, load=Load.ALONE), finding(*full, load=Load.FULL))


def test_an_engine_takes_what_pays_at_one_load_and_loses_at_neither() -> None:
    for alone, full, chosen in [
        (GAIN, GAIN, SIMPLE),
        (GAIN, DOUBT, SIMPLE),
        (GAIN, LOSS, None),  # it cannot be put off while the slots are full
        (LOSS, GAIN, None),
        (DOUBT, DOUBT, None),
    ]:
        assert Tuned((at_both(SIMPLE, alone, full),)).pick(is_one_user=False) == chosen
    assert Tuned(()).pick(is_one_user=True) is None


def test_the_largest_gain_wins_and_a_pool_only_for_one_user() -> None:
    tuned = Tuned((at_both(SIMPLE, GAIN, GAIN), at_both(POOL, (1.3,) * 5, GAIN)))
    assert tuned.pick(is_one_user=True) == POOL
    assert tuned.pick(is_one_user=False) == SIMPLE
    mixed = Tuned((at_both(SIMPLE, GAIN, LOSS), at_both(POOL, LOSS, GAIN)))
    assert mixed.pick_at(Load.ALONE, is_one_user=True) == SIMPLE
    assert mixed.pick_at(Load.FULL, is_one_user=True) == POOL
    assert mixed.pick_at(Load.FULL, is_one_user=False) is None


def test_findings_come_back_from_json() -> None:
    tuned = Tuned((at_both(SIMPLE, GAIN, LOSS), at_both(POOL, LOSS, GAIN)))
    assert Tuned.from_json(tuned.to_json()) == tuned
    with pytest.raises(KeyError):
        Tuned.from_json([{"speculation": SIMPLE.to_json()}])


def test_other_texts_than_offs_are_named() -> None:
    other = timing(SIMPLE.name, TextKind.CODE, 1, 1.0)
    timings = [timing(OFF, TextKind.CODE, 1, 1.0), other]
    assert find_differences(timings) == []
    changed = replace(other, text_sha256="another")
    assert find_differences([timings[0], changed]) == [changed]
    assert not math.isnan(changed.seconds_per_token)
