import heapq
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.fleet import Demand, erlang_b, erlang_c, late_share, plan_fleet
from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.question import Ask, Lengths, predict_question
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES
from abruzzi.errors import ConfigError

LENGTHS = Lengths(
    plan_instructions=160, solve_instructions=37, judge_instructions=156, plan_frame=33, match_frame=65, spread=0.4
)
ASK = Ask(LENGTHS, batch=24)
MACHINE = find_machine("8xh100")
QUESTION = predict_question(Replica(SHAPES["Qwen/Qwen2.5-32B"], MACHINE), ASK)


def blocked(load: float, places: int) -> float:
    return next(islice(erlang_b(load), places, None))


def test_one_erlang_on_two_places_by_hand() -> None:
    # B = (1 / 2!) / (1 + 1 + 1 / 2!) = 1/5; C = B / (1 - 1/2 x (1 - B)) = 1/3.
    assert blocked(1.0, 2) == pytest.approx(1 / 5)
    assert erlang_c(1 / 5, 1.0, 2) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("load", "places", "expected"), [(1.0, 5, 0.0030675), (10.0, 10, 0.21458), (12.0, 20, 0.009796)]
)
def test_erlang_b_is_its_sum(load: float, places: int, expected: float) -> None:
    # The definition: load^m / m! over the sum of load^k / k!.
    terms = [1.0]
    for k in range(1, places + 1):
        terms.append(terms[-1] * load / k)
    assert blocked(load, places) == pytest.approx(terms[-1] / sum(terms))
    assert blocked(load, places) == pytest.approx(expected, rel=1e-3)


def test_with_one_place_the_wait_is_that_of_a_single_queue() -> None:
    # M/M/1: C is the load itself.
    assert erlang_c(blocked(0.7, 1), 0.7, 1) == pytest.approx(0.7)


def test_an_overload_lets_all_wait() -> None:
    assert erlang_c(0.5, 3.0, 3) == 1.0
    assert late_share(0.5, 3.0, 3, wait_s=100.0, service_s=1.0) == 1.0


def test_late_share_by_hand() -> None:
    # A third wait; of these exp(-(2 - 1) x 2 / 4) longer than 2 s.
    assert late_share(1 / 5, 1.0, 2, wait_s=2.0, service_s=4.0) == pytest.approx(0.606531 / 3, rel=1e-5)


def simulate(load: float, places: int, wait_s: float, service_s: float, count: int) -> Iterator[bool]:
    """Tell of each arrival whether it waited longer than ``wait_s``; first come, first served."""
    rng, now = random.Random(11), 0.0
    free_at = [0.0] * places
    for _ in range(count):
        now += rng.expovariate(load / service_s)
        start = max(now, heapq.heappop(free_at))
        heapq.heappush(free_at, start + rng.expovariate(1 / service_s))
        yield start - now > wait_s


def test_late_share_is_what_a_queue_shows() -> None:
    load, places, wait_s, service_s = 8.0, 10, 3.0, 20.0
    late = list(simulate(load, places, wait_s, service_s, 200_000))
    expected = late_share(blocked(load, places), load, places, wait_s=wait_s, service_s=service_s)
    assert expected == pytest.approx(0.303, abs=2e-3)
    assert sum(late) / len(late) == pytest.approx(expected, abs=0.015)  # waits come in runs


def test_a_fleet_by_hand() -> None:
    demand = Demand(users=1000, questions_per_hour=3.6)
    fleet = plan_fleet(replace(MACHINE, price_per_hour=20.0), ASK, QUESTION, demand)
    assert demand.questions_per_second == 1.0
    assert fleet.load == pytest.approx(QUESTION.seconds)
    # 24 sequences are eight questions of three candidates.
    assert fleet.places == 8 * fleet.replicas
    assert fleet.devices == 8 * fleet.replicas
    assert fleet.utilisation == pytest.approx(QUESTION.seconds / fleet.places)
    assert fleet.cost_per_hour == 20.0 * fleet.replicas
    assert fleet.cost_per_question == pytest.approx(20.0 * fleet.replicas / 3600)


@pytest.mark.parametrize("users", [1, 10, 300, 5000, 1_000_000])
def test_a_fleet_is_the_smallest_that_keeps_its_word(users: int) -> None:
    demand = Demand(users)
    fleet = plan_fleet(MACHINE, ASK, QUESTION, demand)
    assert fleet.late_share <= 0.05
    assert fleet.load < fleet.places
    fewer = fleet.places - 8
    late = late_share(blocked(fleet.load, fewer), fleet.load, fewer, wait_s=1.0, service_s=QUESTION.seconds)
    assert late > 0.05 or fewer == 0


@given(st.integers(1, 100_000))
def test_more_users_never_need_fewer_machines(users: int) -> None:
    few, many = (plan_fleet(MACHINE, ASK, QUESTION, Demand(count)).replicas for count in (users, 2 * users))
    assert few <= many <= 2 * few


def test_a_large_fleet_stands_idle_less() -> None:
    shares = [plan_fleet(MACHINE, ASK, QUESTION, Demand(users)).utilisation for users in (1, 100, 10_000, 1_000_000)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99


def test_without_a_price_there_is_no_cost() -> None:
    fleet = plan_fleet(MACHINE, ASK, QUESTION, Demand(1))
    assert fleet.cost_per_hour is None
    assert fleet.cost_per_question is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 2.0, 1.0, 0.95), "0 users"),
        ((1, 0.0, 1.0, 0.95), "0.0 questions an hour"),
        ((1, 2.0, -1.0, 0.95), "wait -1.0 s"),
        ((1, 2.0, 1.0, 1.0), "quantile is 1.0"),
    ],
)
def test_impossible_demands_are_refused(values: tuple[int, float, float, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Demand(*values)


def test_a_demand_beyond_all_plans_is_refused() -> None:
    with pytest.raises(ConfigError, match="beyond this plan"):
        plan_fleet(MACHINE, ASK, QUESTION, Demand(10**9, questions_per_hour=100.0))
