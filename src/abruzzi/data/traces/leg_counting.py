"""Traces for counting the legs of a few kinds of animals: ``1 tiger, 14 butterflys, 8 crabs``."""

from collections.abc import Mapping
from random import Random
from typing import NamedTuple, cast

from abruzzi.data.items import Item
from abruzzi.data.traces.family import Family, Style, get_metadata
from abruzzi.data.traces.steps import begin, join_steps, split_tens, write_running_sum, write_sum
from abruzzi.errors import DataError

_ANIMALS_BY_LEGS: Mapping[int, str] = {
    0: "snake, sea slug, jellyfish, flatworm, leech",
    2: "chicken, bird, human, duck",
    4: "dog, cat, cow, horse, lion, elephant, giraffe, tiger, deer, sheep",
    5: "starfish",
    6: "insect, ant, butterfly, beetle, bee, wasp, grasshopper, cricket, cockroach, praying mantis, firefly",
    8: "spider, scorpion",
    10: "crab, lobster, shrimp",
    14: "woodlouse",
}
LEGS: Mapping[str, int] = {name: legs for legs, names in _ANIMALS_BY_LEGS.items() for name in names.split(", ")}
"""As the generator counts them: arms of a starfish and claws of a crab are legs."""


class Kind(NamedTuple):
    """Some animals of one kind."""

    name: str
    num_animals: int
    legs: int
    """Of each."""

    @property
    def total(self) -> int:
        """Legs of all of them."""
        return self.num_animals * self.legs

    @property
    def product(self) -> str:
        """Their legs as an equation."""
        return f"{self.num_animals} * {self.legs} = {self.total}"


Zoo = tuple[Kind, ...]


def read(item: Item) -> Zoo:
    """Read an item.

    Raises:
        DataError: it names no animals, or one whose legs are not known.
    """
    animals: object = get_metadata(item, "animals")
    if not isinstance(animals, Mapping) or not animals:
        raise DataError(f"the item {item.id!r} names no animals: {animals!r}")
    counts = cast("Mapping[str, int]", animals)
    for name in counts:
        if name not in LEGS:
            raise DataError(f"the item {item.id!r} names an animal of unknown legs, {name!r}; add it to the table")
    return tuple(Kind(name, int(count), LEGS[name]) for name, count in counts.items())


def answer(zoo: Zoo) -> str:
    """Count the legs."""
    return str(sum(kind.total for kind in zoo))


def write_each(zoo: Zoo) -> list[str]:
    """Write the product for each kind, then the sum of these from left to right."""
    return [f"{kind.name}: {kind.product}" for kind in zoo] + write_running_sum([kind.total for kind in zoo])


def think_direct(zoo: Zoo, rng: Random) -> str:
    """State the total at once."""
    total = answer(zoo)
    return rng.choice((f"That makes {total} legs.", f"Legs in total: {total}", f"All together {total}."))


def think_lookup(zoo: Zoo, rng: Random) -> str:
    """Recall the legs of each kind, then compute everything on one line."""
    legs = ", ".join(f"{kind.name} {kind.legs}" for kind in zoo)
    line = " + ".join(f"{kind.num_animals} * {kind.legs}" for kind in zoo)
    return (
        begin(rng, "Legs: ", "Legs each: ", "One has: ")
        + f"{legs}{rng.choice((chr(10), '; ', '. '))}{line} = {answer(zoo)}"
    )


def think_each(zoo: Zoo, rng: Random) -> str:
    """Multiply for each kind, then add the products from left to right."""
    return begin(rng, "", "Each kind: ", "One by one. ") + join_steps(write_each(zoo), rng)


def think_running(zoo: Zoo, rng: Random) -> str:
    """Multiply for a kind and add it to the total before the next kind."""
    total, steps = 0, list[str]()
    for kind in zoo:
        steps.append(f"{kind.name}: {kind.product}, {write_sum(total, kind.total)}")
        total += kind.total
    return begin(rng, "Start at 0. ", "Total 0. ", "From 0: ") + join_steps(steps, rng)


def think_split(zoo: Zoo, rng: Random) -> str:
    """As for each kind, but a number of animals from 11 up is split into tens and ones."""
    products = [f"{kind.name}: {_multiply_in_parts(kind)}" for kind in zoo]
    steps = products + write_running_sum([kind.total for kind in zoo])
    return begin(rng, "Split tens. ", "In parts. ", "Tens apart. ") + join_steps(steps, rng)


def _multiply_in_parts(kind: Kind) -> str:
    parts = [part for part in split_tens(kind.num_animals) if part]
    if len(parts) < 2 or not kind.legs:
        return kind.product
    products = [f"{part} * {kind.legs} = {part * kind.legs}" for part in parts]
    return ", ".join([*products, *write_running_sum([part * kind.legs for part in parts])])


def recall(zoo: Zoo, rng: Random) -> str:
    """Say how many legs one animal of each kind has."""
    facts = ", ".join(f"{kind.name} {kind.legs}" for kind in zoo)
    return f"{rng.choice(('Legs each', 'Legs of one', 'Legs per animal'))}: {facts}."


FAMILY = Family(
    task="leg_counting",
    read=read,
    answer=answer,
    recall=recall,
    styles={
        "direct": Style(
            think_direct,
            (
                "Say the total number of legs at once.",
                "Estimate nothing, list nothing: state how many legs there are.",
                "Give the number of all legs directly.",
            ),
        ),
        "lookup": Style(
            think_lookup,
            (
                "First recall how many legs each kind has. Then work out the whole sum on one line.",
                "List the legs per animal, then compute everything in a single line.",
                "Note the legs of each kind. Multiply and add all at once.",
            ),
        ),
        "each": Style(
            think_each,
            (
                "For each kind multiply the number of animals by its legs. Then add the products, two at a time.",
                "Multiply kind by kind first. Add the results from left to right afterwards.",
                "Work out the legs of every kind, then sum them step by step.",
            ),
        ),
        "running": Style(
            think_running,
            (
                "Start from zero. Take one kind at a time, multiply, and add it to the total right away.",
                "Keep a running total: after each kind, add its legs before going on.",
                "Kind by kind: multiply by the legs, then update the total.",
            ),
        ),
        "split": Style(
            think_split,
            (
                "Split numbers of animals above ten into ten and the rest before multiplying. Then add up.",
                "For each kind multiply tens and ones apart. Add the products step by step.",
                "Take large counts apart into tens and ones, multiply each by the legs, then sum everything.",
            ),
        ),
    },
)
"""How many legs some animals have in total."""
