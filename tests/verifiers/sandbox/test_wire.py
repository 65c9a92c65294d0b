import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.sandbox.inside.wire import Node, WireError, decode, encode


class Cell:
    def __init__(self, value: Any, next: "Cell | None" = None) -> None:  # noqa: A002 - as the sets name it
        self.value = value
        self.next = next


class Handles:
    """Stands in for a connection: keeps what it hands out."""

    def __init__(self) -> None:
        self.classes: dict[str, type] = {"Cell": Cell}
        self.kept: list[object] = []

    def describe(self, value: object) -> Node:
        self.kept.append(value)
        return ["kept", [len(self.kept) - 1], []]

    def resolve(self, node: Node) -> object:
        tag, payload, _ = node
        if tag != "kept":
            raise ValueError(tag)
        return self.kept[payload[0]]


def send(value: object) -> Any:
    """Encode, pass through JSON, decode."""
    handles = Handles()
    nodes, roots, _ = encode([value], handles)
    nodes, roots = json.loads(json.dumps([nodes, roots]))
    return decode(nodes, roots, handles)[0][0]


class Point(NamedTuple):
    x: int
    y: int


class Colour(IntEnum):
    RED = 1


ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()) | st.binary()
KEYS = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    ATOMS | KEYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.lists(inner, max_size=4).map(deque)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_plain_data_arrives_as_it_was(value: object) -> None:
    arrived = send(value)
    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        -0.0,
        math.inf,
        10**400,
        -(10**400),
        "\ud800 lone",
        b"\x00\xff",
        bytearray(b"ab"),
        complex(1, -2),
        range(3, 30, 4),
        Decimal("1.10"),
        Fraction(1, 3),
        date(2026, 11, 23),
        datetime(2026, 11, 23, 1, 2, 3, 4),
        timedelta(days=1, seconds=2, microseconds=3),
        OrderedDict([(2, "b"), (1, "a")]),
        Counter("abca"),
        deque([1, 2], maxlen=2),
        {1: "a", (2, frozenset({3})): None},
        [True, 1, 1.0],
    ],
)
def test_each_standard_type_keeps_its_type(value: object) -> None:
    arrived = send(value)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


def test_not_a_number_stays_one() -> None:
    assert math.isnan(send(math.nan))


def test_a_default_dictionary_keeps_its_factory() -> None:
    arrived = send(defaultdict(list, {1: [2]}))
    assert arrived[7] == []
    assert arrived[1] == [2]


def test_what_is_built_on_a_standard_type_arrives_as_that_type() -> None:
    np = pytest.importorskip("numpy")
    numbers = ((np.int64(7), 7), (np.float64(0.5), 0.5), (np.bool_(1), True))
    for value, plain in ((Point(1, 2), (1, 2)), (Colour.RED, 1), *numbers):
        arrived = send(value)
        assert arrived == plain
        assert type(arrived) is type(plain)


def test_sharing_and_cycles_survive() -> None:
    inner = [1]
    outer: list[Any] = [inner, inner]
    outer.append(outer)
    arrived = send(outer)
    assert arrived[0] is arrived[1]
    assert arrived[2] is arrived


def test_a_tuple_may_hold_the_list_that_holds_it() -> None:
    holder: list[Any] = []
    pair = (1, holder)
    holder.append(pair)
    arrived = send(pair)
    assert arrived[1][0] is arrived


def test_depth_costs_no_recursion() -> None:
    deep: list[Any] = []
    wide: tuple[Any, ...] = ()
    for _ in range(20_000):
        deep, wide = [deep], (wide,)
    arrived_list, arrived_tuple = send([deep, wide])
    for _ in range(20_000):
        (arrived_list,), (arrived_tuple,) = arrived_list, arrived_tuple
    assert arrived_list == []
    assert arrived_tuple == ()


def test_instances_of_shared_classes_travel_by_value() -> None:
    arrived = send(Cell(1, Cell(2)))
    assert isinstance(arrived, Cell)
    assert arrived.next is not None
    assert (arrived.value, arrived.next.value, arrived.next.next) == (1, 2, None)


def test_anything_else_is_a_handle() -> None:
    handles = Handles()
    nodes, roots, _ = encode([[send, 1]], handles)
    (arrived,), _ = decode(nodes, roots, handles)
    assert arrived[0] is send


def test_arguments_changed_by_the_callee_come_home_into_the_callers_own() -> None:
    handles = Handles()
    numbers, table, chain = [3, 1, 2], {"a": [1]}, Cell(1, Cell(2))
    nodes, roots, ours = encode([numbers, table, chain], handles)
    (theirs_numbers, theirs_table, theirs_chain), theirs = decode(nodes, roots, handles)
    theirs_numbers.sort()
    theirs_table["a"].append(2)
    theirs_table["b"] = theirs_numbers
    theirs_chain.next.next = theirs_chain
    reply, reply_roots, _ = encode([theirs_numbers], handles, known=theirs)
    (result,), _ = decode(reply, reply_roots, handles, known=ours)
    assert result is numbers
    assert numbers == [1, 2, 3]
    assert table == {"a": [1, 2], "b": [1, 2, 3]}
    assert table["b"] is numbers
    assert chain.next is not None
    assert chain.next.next is chain


MALFORMED: list[tuple[Any, Any]] = [
    ([], [[0]]),
    ([["list", [], [[-1]]]], [[0]]),
    ([["list", [], [[0, 1]]]], [[0]]),
    ([["tuple", [], [[0]]]], [[0]]),
    ([["tuple", [], [[1]]], ["tuple", [], [[0]]]], [[0]]),
    ([["dict", [], [1]]], [[0]]),
    ([["dict", [], [[1], 1]], ["list", [], []]], [[0]]),
    ([["instance", ["Unknown"], []]], [[0]]),
    ([["instance", ["Cell"], [1, 2]]], [[0]]),
    ([["instance", ["Cell"], ["__class__", 2]]], [[0]]),
    ([["int", ["nonsense"], []]], [[0]]),
    ([["date", ["2026-13-01"], []]], [[0]]),
    ([["decimal", ["x"], []]], [[0]]),
    ([["fraction", ["0x1", "0x0"], []]], [[0]]),
    ([["__import__", ["os"], []]], [[0]]),
    ([["list", []]], [[0]]),
    ([7], [[0]]),
    (None, [[0]]),
    ([], 7),
]


@pytest.mark.parametrize(("nodes", "roots"), MALFORMED)
def test_a_malformed_table_is_refused(nodes: Any, roots: Any) -> None:
    with pytest.raises(WireError):
        decode(nodes, roots, Handles())


def test_an_original_never_changes_its_type() -> None:
    with pytest.raises(WireError):
        decode([["dict", [], []]], [[0]], Handles(), known=[[1, 2]])
