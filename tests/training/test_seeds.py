"""Seeds are the same for the same purpose, and unlike for every other."""

import torch

from abruzzi.training.seeds import seed_of, seed_torch


def test_known_values() -> None:
    """Checked with sha256sum: a change would make every resumed run draw anew."""
    # printf '1\0step\00012' | sha256sum → 3e0afe776c8946b2…
    assert seed_of(1, "step", 12) == 0x3E0AFE776C8946B2 >> 1
    assert seed_of(7) == seed_of(7)


def test_purposes_do_not_run_into_one_another() -> None:
    seeds = [seed_of(1, "a", 23), seed_of(1, "a2", 3), seed_of(12, "a", 3), seed_of(1, "a", 2, 3), seed_of(1, "a")]
    assert len({*seeds, seed_of(1)}) == 6


def test_seeds_are_what_torch_and_numpy_take() -> None:
    assert all(0 <= seed_of(1, "n", n) < 2**63 for n in range(200))
    assert any(seed_of(1, "n", n) >= 2**62 for n in range(200))


def test_torch_draws_the_same_again() -> None:
    seed_torch(seed_of(1, "dropout", 3))
    drawn = torch.rand(4)
    seed_torch(seed_of(1, "dropout", 3))
    assert torch.equal(torch.rand(4), drawn)
