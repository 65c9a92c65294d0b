"""What an engine is asked to run: plain frozen data, shared by the parent and its child process."""

import sys
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from abruzzi.engine.cores import physical_cores
from abruzzi.engine.speculation import Speculation
from abruzzi.errors import ConfigError


class Attention(StrEnum):
    """How llama.cpp computes attention: the same numbers but for their rounding."""

    AUTO = "auto"
    """llama.cpp's own choice, but ``PLAIN`` on a processor where that is known to be faster."""
    PLAIN = "plain"
    """Matrix products and a softmax between them."""
    FUSED = "fused"
    """One kernel over all of it (flash attention, arXiv:2205.14135)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter, loaded at start and switched on per request (``"lora": [{"id": …, "scale": 1.0}]``).

    Where there are adapters, every request has to say so, the base's too (``"scale": 0.0``): one that says nothing may
    go on from a prompt that was computed under an adapter.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How to run one model; the defaults are the measured choice for SmolLM2-135M on two cores."""

    model: Path
    """A GGUF file."""
    slots: int = 3
    """Completions decoded side by side; also the largest n of one request."""
    spare_slots: int = 0
    """Further slots, in which the beginning of a role's prompts lasts from question to question. llama.cpp gives a
    request the slot with the longest common beginning, or else the one unused for longest: without spare ones,
    candidates take them all."""
    context_tokens: int = 4096
    """Prompt and completion together, per slot; never more than the model was trained for."""
    threads: int = field(default_factory=physical_cores)
    adapters: tuple[Adapter, ...] = ()
    """An adapter's place here is its id in requests."""
    speculation: Speculation | None = None
    attention: Attention = Attention.AUTO
    batch_tokens: int = 128
    """Prompt tokens computed at a time: a cancelled prompt stops after at most this many."""
    prompt_cache_mib: int = 512
    """Memory for prompts of the past; llama.cpp's own default is 8192. None is used where there are adapters."""
    alias: str = "embedded"
    """The model's name in the protocol; its path is never shown."""
    port: int = 0
    """0 takes a free one."""
    start_timeout_s: float = 120.0
    stop_timeout_s: float = 5.0
    health_interval_s: float = 10.0
    """Between two looks at whether the engine still answers."""
    hang_timeout_s: float = 60.0
    """An engine silent for longer is taken for hung, killed and started again."""
    max_restarts: int = 3
    """Within ``restart_window_s``; an engine that leaves more often stays down."""
    restart_window_s: float = 60.0
    log_path: Path | None = None
    """Where the engine's stderr goes; None: a temporary file that is gone after ``stop``."""
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "abruzzi.engine.worker")
    """The child process; another one in tests."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("slots", self.slots, 1),
            ("context_tokens", self.context_tokens, 1),
            ("threads", self.threads, 1),
            ("batch_tokens", self.batch_tokens, 1),
            ("prompt_cache_mib", self.prompt_cache_mib, 0),
            ("port", self.port, 0),
        ):
            if value < least:
                raise ConfigError(f"the engine's {name} is {value}; it must be at least {least}")


@dataclass(frozen=True, slots=True)
class Order:
    """The one line of JSON that the child process reads at its start."""

    model: str
    slots: int
    context_tokens: int
    threads: int
    adapters: tuple[str, ...]
    speculation: Speculation | None
    attention: Attention
    batch_tokens: int
    prompt_cache_mib: int
    alias: str
    port: int
    api_key: str
    parent_pid: int

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``json.dumps``."""
        speculation = None if self.speculation is None else self.speculation.to_json()
        return {**asdict(self), "speculation": speculation}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Order":
        """The order again."""
        speculation = data["speculation"]
        typed: dict[str, Any] = {
            "adapters": tuple(data["adapters"]),
            "speculation": None if speculation is None else Speculation.from_json(speculation),
            "attention": Attention(data["attention"]),
        }
        return cls(**{**data, **typed})
