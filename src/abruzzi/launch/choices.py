"""What a plan lets one choose in a word; apart, so that ``--help`` loads nothing else of this folder."""

from enum import StrEnum


class Engine(StrEnum):
    """A server that is not ours."""

    VLLM = "vllm"
    SGLANG = "sglang"


class Weights(StrEnum):
    """How weights are held."""

    BF16 = "bf16"
    FP8 = "fp8"
    """Quantised by the engine as it loads them; changes what the model says, a little."""

    @property
    def bytes_each(self) -> int:
        """Bytes of one weight."""
        return 2 if self is Weights.BF16 else 1


class KvCache(StrEnum):
    """How keys and values are held."""

    AUTO = "auto"
    """As the model computes them: 16 bits."""
    FP8 = "fp8"
    """Half the bytes; changes what the model says, a little."""

    @property
    def bytes_each(self) -> int:
        """Bytes of one number."""
        return 2 if self is KvCache.AUTO else 1
