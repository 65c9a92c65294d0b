"""Verifies the logic puzzles of the Guru set, one file each: zebra, ordering, graph, grids; and knights and knaves.

The prompts ask for the result inside ``<answer> </answer>``, so the tags are required: an answer elsewhere is
``unparsed``, because picking one out of prose would be a guess. Inside the tags every writing with one reading counts
(JSON or Python notation, any case, line breaks, fences), and one with two readings counts as none. The last tag after
the thoughts wins; a tag that generation stopped before closing counts as whole.
"""

from abruzzi.errors import DataError
from abruzzi.nouns import Verdict
from abruzzi.verifiers.logic.graph import gold_reply_graph, verify_graph
from abruzzi.verifiers.logic.grids import gold_reply_grid, verify_grid
from abruzzi.verifiers.logic.knights import gold_reply_knights, verify_knights
from abruzzi.verifiers.logic.ordering import gold_reply_ordering, verify_ordering
from abruzzi.verifiers.logic.zebra import gold_reply_zebra, verify_zebra
from abruzzi.verifiers.row import Row, Verify, WriteGold
from abruzzi.verifiers.verdicts import broken

_PUZZLES: tuple[tuple[str, Verify, WriteGold], ...] = (
    ("logic__zebra_puzzle", verify_zebra, gold_reply_zebra),
    ("logic__ordering_puzzle", verify_ordering, gold_reply_ordering),
    ("logic__graph", verify_graph, gold_reply_graph),
    ("logic__arcagi", verify_grid, gold_reply_grid),
    ("logic__barc", verify_grid, gold_reply_grid),
    ("simulation__arcagi", verify_grid, gold_reply_grid),
    ("simulation__barc", verify_grid, gold_reply_grid),
    ("logic__knights_knaves", verify_knights, gold_reply_knights),
)
"""The released grid files are named ``logic__``, the script that writes them says ``simulation``: both are read."""


def verify_logic(row: Row) -> Verdict:
    """Verify a logic puzzle, chosen by the row's data source."""
    for prefix, verify, _ in _PUZZLES:
        if row.data_source.startswith(prefix):
            return verify(row)
    return broken(f"no logic puzzle is called {row.data_source!r}; known: {_names()}")


def gold_reply_logic(row: Row) -> str:
    """Write a reply that holds the row's own solution.

    Raises:
        DataError: no puzzle has this data source.
    """
    for prefix, _, gold_reply in _PUZZLES:
        if row.data_source.startswith(prefix):
            return gold_reply(row)
    raise DataError(f"no logic puzzle is called {row.data_source!r}; known: {_names()}")


def _names() -> str:
    return ", ".join(prefix for prefix, _, _ in _PUZZLES)
