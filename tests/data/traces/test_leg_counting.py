import importlib
import warnings
from random import Random
from typing import Any

import pytest

from abruzzi.data.traces import write_facts
from abruzzi.data.traces.leg_counting import LEGS
from abruzzi.errors import DataError
from tests.data.traces.making import make_item, think

ZOO: dict[str, Any] = {"animals": {"tiger": 1, "butterfly": 14, "crab": 8}}


@pytest.mark.parametrize(
    ("style", "thoughts"),
    [
        ("direct", "That makes 168 legs."),
        ("lookup", "Legs: tiger 4, butterfly 6, crab 10\n1 * 4 + 14 * 6 + 8 * 10 = 168"),
        ("each", "tiger: 1 * 4 = 4\nbutterfly: 14 * 6 = 84\ncrab: 8 * 10 = 80\n4 + 84 = 88\n88 + 80 = 168"),
        (
            "running",
            "Start at 0. tiger: 1 * 4 = 4, 0 + 4 = 4\nbutterfly: 14 * 6 = 84, 4 + 84 = 88\n"
            "crab: 8 * 10 = 80, 88 + 80 = 168",
        ),
        (
            "split",
            "Split tens. tiger: 1 * 4 = 4\nbutterfly: 10 * 6 = 60, 4 * 6 = 24, 60 + 24 = 84\ncrab: 8 * 10 = 80\n"
            "4 + 84 = 88\n88 + 80 = 168",
        ),
    ],
)
def test_styles_by_hand(style: str, thoughts: str) -> None:
    assert think(make_item("leg_counting", 168, **ZOO), style) == thoughts


def test_facts_by_hand() -> None:
    facts = write_facts(make_item("leg_counting", 168, **ZOO), Random(0))
    assert facts.split(": ", 1)[1] == "tiger 4, butterfly 6, crab 10."


def test_the_legs_are_the_generators() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = importlib.import_module("reasoning_gym.arithmetic.leg_counting").ANIMALS
    assert theirs == LEGS


def test_an_animal_of_unknown_legs_is_refused() -> None:
    with pytest.raises(DataError, match="unknown legs, 'yeti'"):
        think(make_item("leg_counting", 2, animals={"yeti": 1}), "direct")
    with pytest.raises(DataError, match="names no animals"):
        think(make_item("leg_counting", 0, animals={}), "direct")
