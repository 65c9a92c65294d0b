"""How long the r-th of N candidates is, on average: sampling lasts until a majority has ended, or all have.

Lengths of thoughts spread like a log-normal (``abruzzi bench pipeline`` takes the same). With z standard normal and
mean 1 a length is exp(σ z − σ² / 2); the r-th smallest of N has the density

    N! / ((r − 1)! (N − r)!) · Φ(z)^(r − 1) · (1 − Φ(z))^(N − r) · φ(z)

(David and Nagaraja, Order Statistics, 2003, §2.1). The mean is integrated by the trapezoid rule, whose error for such a
smooth, vanishing integrand is far below rounding at this step.
"""

from math import erfc, exp, factorial, pi, sqrt

from abruzzi.errors import ConfigError

_STEP = 1 / 64
_REACH = 10.0


def order_means(num_candidates: int, spread: float) -> tuple[float, ...]:
    """Mean lengths in order, as multiples of the mean of all.

    Args:
        num_candidates: N, at least 1.
        spread: σ of the lengths' logarithms, at least 0; 0 makes all equal.

    Returns:
        The shortest first; they add up to N.

    Raises:
        ConfigError: one of them is out of range.
    """
    if num_candidates < 1:
        raise ConfigError(f"there are {num_candidates} candidates; there must be at least 1")
    if not 0 <= spread <= 3:
        raise ConfigError(f"the spread of lengths is {spread!r}; it must lie between 0 and 3")
    return tuple(_order_mean(rank, num_candidates, spread) for rank in range(1, num_candidates + 1))


def _order_mean(rank: int, count: int, spread: float) -> float:
    ways = factorial(count) / (factorial(rank - 1) * factorial(count - rank))
    total = 0.0
    for index in range(int((2 * _REACH + spread) / _STEP)):
        z = -_REACH + index * _STEP
        below, above = erfc(-z / sqrt(2)) / 2, erfc(z / sqrt(2)) / 2
        # The normal density and the length are multiplied in the exponent, so that neither underflows alone.
        weight = exp(spread * z - spread * spread / 2 - z * z / 2) / sqrt(2 * pi)
        total += ways * below ** (rank - 1) * above ** (count - rank) * weight * _STEP
    return total
