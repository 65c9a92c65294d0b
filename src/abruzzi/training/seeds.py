"""Seeds for what training draws: each purpose and step has its own, so that a resumed run draws the same again."""

from hashlib import sha256
from typing import Any, cast


def seed_of(seed: int, *purpose: str | int) -> int:
    """Derive a seed.

    Args:
        seed: the run's own.
        purpose: what is drawn, e.g. ``("rollouts", step)``.

    Returns:
        An integer in [0, 2**63).
    """
    text = "\x00".join(map(str, (seed, *purpose)))
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 1


def seed_torch(seed: int) -> None:
    """Seed what torch draws in this process: fresh weights, dropout."""
    import torch  # here alone: who derives seeds, and no more, need not load it

    cast("Any", torch).manual_seed(seed)
