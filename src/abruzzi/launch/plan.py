"""A launch plan: a model on its cards, in an engine's words, with the memory that it takes and why each value is so.

Nothing is started, fetched or measured here. The counts hold for the shape that is given; whether an engine takes the
settings is what ``scripts/check_launch.sh`` asks the engines' own parsers.
"""

from dataclasses import dataclass

from abruzzi.launch.choices import Engine
from abruzzi.launch.layout import Layout, Wanted, choose_layout
from abruzzi.launch.setting import Setting, to_shell, to_yaml
from abruzzi.launch.sglang import VERSION as SGLANG_VERSION
from abruzzi.launch.sglang import sglang_command, sglang_notes, sglang_settings
from abruzzi.launch.speculation import SpeculationKind
from abruzzi.launch.vllm import VERSION as VLLM_VERSION
from abruzzi.launch.vllm import vllm_command, vllm_notes, vllm_settings


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """How to start a server."""

    engine: Engine
    version: str
    """The engine's, whose parser took such settings."""
    wanted: Wanted
    layout: Layout
    command: tuple[str, ...]
    """Without the settings."""
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]
    """What must be known besides; a sentence each."""

    @property
    def shell(self) -> str:
        """The whole command."""
        return to_shell(self.command, self.settings)

    @property
    def yaml(self) -> str:
        """A file for the engine's ``--config``."""
        name = "model" if self.engine is Engine.VLLM else "model-path"
        model = Setting(name, self.wanted.model, f"{self.engine} {self.version}, for --config")
        return to_yaml([model, *self.settings])


def make_plan(wanted: Wanted, engine: Engine = Engine.VLLM) -> LaunchPlan:
    """Plan a server.

    Raises:
        ConfigError: it cannot fit, the figure and what would do in the message; or the engine has not what is wanted.
    """
    layout = choose_layout(wanted)
    if engine is Engine.VLLM:
        version, command = VLLM_VERSION, vllm_command(wanted)
        settings, own = vllm_settings(wanted, layout), vllm_notes(wanted)
    else:
        version, command = SGLANG_VERSION, sglang_command(wanted)
        settings, own = sglang_settings(wanted, layout), sglang_notes(wanted)
    return LaunchPlan(engine, version, wanted, layout, command, settings, (*_notes(wanted, layout), *own))


def _notes(wanted: Wanted, layout: Layout) -> tuple[str, ...]:
    notes: list[str] = []
    if layout.budget.sequences < wanted.n:
        notes.append(
            f"no replica holds {wanted.n} sequences of {wanted.context:,} tokens: {layout.budget.sequences} run, the "
            "other candidates wait; fewer candidates, a shorter context or --kv-cache fp8 help"
        )
    if layout.data_parallel > 1:
        notes.append(
            "candidates asked for in one request stay on one replica; its plan and judge may meet another, whose "
            "prefix cache does not know the question"
        )
    if wanted.speculation.kind is SpeculationKind.EAGLE:
        notes.append(f"the head's memory is estimated from {wanted.model}'s own shape, not read from the head")
    return tuple(notes)
