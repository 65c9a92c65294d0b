"""How much of a text repeats itself, by n-grams of its words.

Known blindness: text that rightly repeats, grids of zeros say, is counted like a loop; whoever has such text leaves it
out before. A loop that changes a number each time round is not one here.
"""

import re

from abruzzi.errors import ConfigError

GRAM = 8
"""Pieces in an n-gram: long enough that set phrases of honest arithmetic do not count, short enough for any loop."""

_PIECE = re.compile(r"[^\W\d_]{1,16}|\d|[^\w\s]|_")
"""A word (a run of letters without end is many), a digit, or a sign."""


def repeated_share(text: str, *, n: int = GRAM) -> float:
    """Work out the share of n-grams that stood in the text before; case counts for nothing.

    A text of k equal rounds, each much longer than n, has about 1 − 1/k.

    Args:
        text: any text; linear in its length.
        n: pieces in a gram, at least 1.

    Returns:
        In [0, 1); 0 for a text of fewer than n pieces.

    Raises:
        ConfigError: n is below 1.
    """
    if n < 1:
        raise ConfigError(f"an n-gram has at least one piece, got n = {n!r}")
    pieces = _PIECE.findall(text.casefold())
    num_grams = len(pieces) - n + 1
    if num_grams < 1:
        return 0.0
    return 1 - len({tuple(pieces[i : i + n]) for i in range(num_grams)}) / num_grams
