"""The two distributions that intervals need, with numpy alone: Student's t, and the exact limit of a rare share.

SciPy has both; asking a user to install it for two functions would not be fair. The tests hold them against it.
"""

from functools import lru_cache
from math import atan, comb, exp, lgamma, log, pi, sqrt

import numpy as np

LEVEL = 0.95
"""Of every interval in Abruzzi."""
_BISECTIONS = 100


def t_mass(t: float, degrees: int) -> float:
    """Give the probability that |T| ≤ t for Student's t.

    With T = √degrees · tan φ the density becomes a power of cos φ, which Gauss–Legendre quadrature integrates to
    rounding.

    Args:
        t: at least 0.
        degrees: degrees of freedom, at least 1.
    """
    # Beyond ten standard deviations nothing is left, and the nodes would miss a narrow peak.
    end = min(atan(t / sqrt(degrees)), 10.0 / sqrt(degrees))
    nodes, weights = _quadrature()
    heights = np.cos((nodes + 1) * (end / 2)) ** (degrees - 1)
    scale = exp(lgamma((degrees + 1) / 2) - lgamma(degrees / 2)) * 2 / sqrt(pi)
    return min(1.0, scale * float(weights @ heights) * end / 2)


@lru_cache(maxsize=4096)
def t_quantile(degrees: int, level: float = LEVEL) -> float:
    """Give the t that |T| stays under with probability ``level``."""
    high = 2.0
    while t_mass(high, degrees) < level:
        high *= 2
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if t_mass(middle, degrees) < level else (low, middle)
    return high


@lru_cache(maxsize=4096)
def largest_share(num_seen: int, num_drawn: int, level: float = LEVEL) -> float:
    """Give the largest share of a population that so few sightings leave possible.

    The upper end of the two-sided Clopper–Pearson interval: the share at which seeing ``num_seen`` or fewer among
    ``num_drawn`` has probability (1 − level) / 2. With none seen it is 1 − 0.025^(1/n), about 3.7/n: the "rule of
    three" in its two-sided form.

    Source: Clopper and Pearson 1934, Biometrika 26; Hanley and Lippman-Hand 1983, JAMA 249.
    """
    if num_seen >= num_drawn:
        return 1.0
    tail = (1 - level) / 2
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(num_seen, num_drawn, middle) > tail else (low, middle)
    return high


def _at_most(num_seen: int, num_drawn: int, share: float) -> float:
    if share >= 1:
        return 0.0
    return sum(
        comb(num_drawn, seen) * share**seen * exp((num_drawn - seen) * log(1 - share)) for seen in range(num_seen + 1)
    )


@lru_cache(maxsize=1)
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(96)
    return nodes, weights
