"""One copy of a model on one machine: what fits into its memory."""

from dataclasses import dataclass

from abruzzi.capacity.machines import KINDS, Machine
from abruzzi.capacity.shapes import ModelShape
from abruzzi.errors import ConfigError

USABLE = 0.9
"""Share of the memory for weights and cache; activations and the engine itself have the rest. vLLM's default."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A model on a machine."""

    shape: ModelShape
    machine: Machine
    weight_bits: float = 16.0
    """Per weight, scales included: 16 for bfloat16, 8 for fp8, about 4.5 for most 4-bit formats."""
    cache_bits: float = 16.0
    """Per number in keys and values."""
    chunk_tokens: int = 8192
    """Prompt tokens computed in one pass, at most."""

    def __post_init__(self) -> None:
        for field, value in (("weight_bits", self.weight_bits), ("cache_bits", self.cache_bits)):
            if not 0 < value <= 64:
                raise ConfigError(f"{field} is {value!r}; it must be above 0 and at most 64")

    @property
    def memory_for_weights(self) -> float:
        """Bytes of all weights."""
        return self.shape.num_parameters * self.weight_bits / 8

    @property
    def read_bytes(self) -> float:
        """Bytes of the weights that a pass reads: all but the input embedding, unless that is the head too."""
        return self.shape.active_parameters * self.weight_bits / 8

    @property
    def cache_bytes_per_token(self) -> float:
        """Of keys and values."""
        return self.shape.kv_bytes_per_token * self.cache_bits / 16

    @property
    def cache_tokens(self) -> int:
        """Tokens whose keys and values fit beside the weights; 0 where not even those fit."""
        free = USABLE * self.machine.total_memory_bytes - self.memory_for_weights
        return max(0, int(free / self.cache_bytes_per_token))


def check_fit(replica: Replica, *, sequences: int, tokens: int) -> None:
    """Refuse what does not fit into memory.

    Args:
        replica: the copy.
        sequences: side by side.
        tokens: of each, prompt and completion.

    Raises:
        ConfigError: it does not fit; says by how much, and what would help.
    """
    machine, usable = replica.machine, USABLE * replica.machine.total_memory_bytes
    if replica.cache_tokens < tokens:
        raise ConfigError(
            f"a sequence of {tokens:,} tokens does not fit on {machine.name!r}: weights take "
            f"{replica.memory_for_weights / 1e9:.1f} GB and its keys and values "
            f"{tokens * replica.cache_bytes_per_token / 1e9:.1f} GB of {usable / 1e9:.1f} GB; take "
            f"{_more(machine)}, fewer bits per weight or a shorter context"
        )
    if replica.cache_tokens < sequences * tokens:
        raise ConfigError(
            f"{sequences} sequences of {tokens:,} tokens do not fit on {machine.name!r}: there is room for "
            f"{replica.cache_tokens // tokens}; lower the batch, or take {_more(machine)}"
        )


def _more(machine: Machine) -> str:
    """Name a larger machine of the same kind, where there is one by that name."""
    count, _, rest = machine.name.partition("x")
    kind = rest if count.isdigit() else machine.name
    return f"more devices ({2 * machine.devices}x{kind})" if kind in KINDS else "a machine with more memory"
