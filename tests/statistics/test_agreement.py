"""Our statistics agree with SciPy, inspect_ai and the published formulas; on 200 random tables with ``-m slow``."""

from collections.abc import Callable

import pytest

from tests.statistics.agreement import COMPARISONS, NUM_TABLES, Agreement, Table, random_tables

FEW = 15


@pytest.fixture(scope="module")
def tables() -> list[Table]:
    return random_tables()


@pytest.mark.parametrize("num_tables", [FEW, pytest.param(NUM_TABLES, marks=pytest.mark.slow)])
@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda c: c.__name__)
def test_agreement(compare: Callable[[list[Table]], Agreement], num_tables: int, tables: list[Table]) -> None:
    agreement = compare(tables[:num_tables])
    assert agreement.num_compared >= 10
    assert agreement.deviation <= agreement.tolerance, agreement


def test_the_tables_are_two_hundred_different_ones(tables: list[Table]) -> None:
    assert len({repr(table) for table in tables}) == NUM_TABLES
