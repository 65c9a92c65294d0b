"""How long one pass through a model takes, term by term: arithmetic against reading, exchange, and what is fixed.

    matrix     2 operations per weight that a token is multiplied by (arXiv 2001.08361, §2.1)
    attention  4 · layers · query width for each token that a token attends to (the same)
    weights    every weight read once a pass, however many tokens are in it (arXiv 2211.05102, §2)
    cache      keys and values of every sequence's past, read once a pass (the same)
    exchange   tensor layout: 2 all-reduces a layer, each REDUCE_S and 2 (d − 1) / d of the message through a device's
               link, as in a ring; pipeline layout: one hand-over between neighbours
    fixed      a time a layer, a time a pass

Arithmetic and reading overlap to the machine's share (the roofline, Williams et al. 2009, where that is 1); the others
are added.

A pipeline of d devices holding B sequences works on d groups of B / d at a time: a group passes all devices, and each
reads only its own layers' weights, so that a token waits for all weights at one device's bandwidth, and for B / d
sequences' arithmetic and cache (at least one's).
"""

from dataclasses import dataclass
from typing import Literal

from abruzzi.capacity.machines import Machine

Term = Literal["matrix", "attention", "weights", "cache", "exchange", "fixed"]


@dataclass(frozen=True, slots=True)
class Work:
    """What one pass asks of a machine."""

    sequences: int
    matrix_flops: float
    attention_flops: float
    weight_bytes: float
    cache_bytes: float
    message_bytes: float
    """Activations of all tokens in the pass, exchanged between layers."""
    layers: int


@dataclass(frozen=True, slots=True)
class PassTime:
    """Seconds of one pass by term, before overlap."""

    matrix_s: float
    attention_s: float
    weights_s: float
    cache_s: float
    exchange_s: float
    fixed_s: float
    overlap: float

    @property
    def terms(self) -> dict[Term, float]:
        """Seconds by the name of the term."""
        return {
            "matrix": self.matrix_s,
            "attention": self.attention_s,
            "weights": self.weights_s,
            "cache": self.cache_s,
            "exchange": self.exchange_s,
            "fixed": self.fixed_s,
        }

    @property
    def arithmetic_s(self) -> float:
        """Matrices and attention."""
        return self.matrix_s + self.attention_s

    @property
    def reading_s(self) -> float:
        """Weights and cache."""
        return self.weights_s + self.cache_s

    @property
    def seconds(self) -> float:
        """Of the pass."""
        long, short = max(self.arithmetic_s, self.reading_s), min(self.arithmetic_s, self.reading_s)
        return long + (1 - self.overlap) * short + self.exchange_s + self.fixed_s

    @property
    def bound(self) -> Term:
        """The largest term that is not hidden behind another."""
        hidden: set[Term] = set()
        if self.overlap == 1:
            hidden = {"weights", "cache"} if self.arithmetic_s >= self.reading_s else {"matrix", "attention"}
        return max((term for term in self.terms if term not in hidden), key=self.terms.__getitem__)

    def scaled(self, times: float) -> "PassTime":
        """So many passes like this one."""
        return PassTime(
            times * self.matrix_s,
            times * self.attention_s,
            times * self.weights_s,
            times * self.cache_s,
            times * self.exchange_s,
            times * self.fixed_s,
            self.overlap,
        )


def time_pass(work: Work, machine: Machine) -> PassTime:
    """Time one pass.

    Args:
        work: what it asks.
        machine: what does it.
    """
    if machine.layout == "tensor":
        weights_at = sequences_at = float(machine.devices)
        exchange_s = _reduce_s(work, machine)
    else:
        weights_at, sequences_at = 1.0, float(min(machine.devices, work.sequences))
        handed_s = work.message_bytes / sequences_at / machine.link_bandwidth
        exchange_s = (machine.devices - 1) * (machine.reduce_s + handed_s)
    flops = sequences_at * machine.flops * machine.flops_share
    return PassTime(
        matrix_s=work.matrix_flops / flops,
        attention_s=work.attention_flops / flops,
        weights_s=work.weight_bytes / (weights_at * machine.bandwidth * machine.bandwidth_share),
        cache_s=work.cache_bytes / (sequences_at * machine.bandwidth * machine.cache_share),
        exchange_s=exchange_s,
        fixed_s=work.layers * machine.layer_s + machine.pass_s,
        overlap=machine.overlap,
    )


def _reduce_s(work: Work, machine: Machine) -> float:
    if machine.devices == 1:
        return 0.0
    through_link = 2 * (machine.devices - 1) / machine.devices * work.message_bytes
    return 2 * work.layers * (machine.reduce_s + through_link / machine.link_bandwidth)
