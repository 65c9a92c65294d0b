"""Fixed short prompts of four kinds, on which an engine measures itself.

Every round has its own numbers and words, so that no method finds the last round's text in its pool. What they are
worth is limited: a person's own questions may repeat themselves more, or less.
"""

from abruzzi.engine.speculation_choice import TextKind

_PLACES = ("hill", "river", "harbour", "market", "castle", "forest", "bridge", "station", "garden", "island", "valley")
_GOODS = ("apples", "books", "stamps", "tickets", "candles", "letters", "bricks", "coins", "ropes", "lamps", "plates",
          "boxes", "stools")  # fmt: skip


def write_sample(kind: TextKind, number: int) -> str:
    """Write the prompt of a round."""
    place, goods = _PLACES[number % len(_PLACES)], _GOODS[number % len(_GOODS)]
    first, second = 12 + 7 * number, 5 + 3 * number
    match kind:
        case TextKind.REASONING:
            return (
                f"A shop by the {place} has {first} {goods}, sells {second} a day and gets 4 new ones each evening. "
                "How many are left after three days? Think step by step."
            )
        case TextKind.COPYING:
            return (
                f"Write this text again, word for word: The {place} house keeps {first} {goods} in {second} rooms. "
                f"Each room of the {place} house has a red door, and behind each red door are {goods}."
            )
        case TextKind.CODE:
            return (
                f"Write Python functions for {goods}.\n\ndef add_{goods}(store, number):\n"
                f"    store['{place}'] += number\n    return store['{place}']\n\ndef remove_{goods}(store, number):"
            )
        case TextKind.JUDGING:
            return (
                f"A box of {first} {goods} loses {second}. Answer A: {first} - {second} = {first - second}, so "
                f"{first - second}. Answer B: {first} + {second} = {first + second}, so {first + second}. Compare both "
                "answers step by step, then say which is right."
            )
