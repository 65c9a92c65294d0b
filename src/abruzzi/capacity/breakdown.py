"""What a pass waits for, in four parts that add up to its seconds.

    weights      reading them
    cache        reading keys and values
    arithmetic   products of matrices, attention
    overhead     exchange among devices, and what no layer and no pass goes without

Where arithmetic and reading overlap, the shorter of the two hides behind the longer: only what sticks out of it counts
(``roofline``; ``explain.shares`` counts both).
"""

from typing import Literal

from abruzzi.capacity.roofline import PassTime

Part = Literal["weights", "cache", "arithmetic", "overhead"]
PARTS: tuple[Part, ...] = ("weights", "cache", "arithmetic", "overhead")


def visible_parts(*passes: PassTime) -> dict[Part, float]:
    """Add up what passes wait for, each on its own: one may be bound by arithmetic and the next by reading.

    Returns:
        Seconds by part, in the order of ``PARTS``; they add up to the passes' seconds.
    """
    found: dict[Part, float] = dict.fromkeys(PARTS, 0.0)
    for one in passes:
        hidden = 1 - one.overlap
        reading, arithmetic = (1.0, hidden) if one.reading_s >= one.arithmetic_s else (hidden, 1.0)
        found["weights"] += reading * one.weights_s
        found["cache"] += reading * one.cache_s
        found["arithmetic"] += arithmetic * one.arithmetic_s
        found["overhead"] += one.exchange_s + one.fixed_s
    return found
