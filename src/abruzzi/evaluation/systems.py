"""Systems under test: our pipeline with any of its parts on or off.

    single                  one candidate, no plan: the model alone
    plan                    one candidate, with a plan
    bo3                     three candidates, agreement or judgement, no plan
    full                    plan, three candidates, agreement or judgement
    full,n=5,judge=false    a known one with settings changed
    n=5,plan=off            the pipeline's defaults with settings changed
    system.toml             its [ask] table

Names and values only; which models play the roles is not decided here.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abruzzi.config import build, read_toml, suggest
from abruzzi.errors import ConfigError
from abruzzi.reasoning.settings import AskSettings

SYSTEMS: Mapping[str, Mapping[str, Any]] = {
    "single": {"n": 1, "plan": "off", "judge": False},
    "plan": {"n": 1, "plan": "auto", "judge": False},
    "bo3": {"n": 3, "plan": "off", "judge": True},
    "full": {"n": 3, "plan": "auto", "judge": True},
    "paper": {"n": 3, "preset": "paper"},
}
PATIENT: Mapping[str, Any] = {"soft_deadline_s": 86_400.0, "hard_deadline_s": 86_400.0}
"""An evaluation measures the system, not the hurry: no deadline changes an answer unless a system asks for one."""


@dataclass(frozen=True, slots=True)
class System:
    """A way of answering, by name."""

    name: str
    """As it stands in tables: the spec itself, or a file's stem."""
    ask: AskSettings


def parse_system(spec: str, sampling: Mapping[str, Any]) -> System:
    """Read a system spec.

    Args:
        spec: see the forms above.
        sampling: settings of the benchmark or the command line (temperature, limits, stop), which the spec's own win
            over.

    Raises:
        ConfigError: an unknown name, setting or value.
    """
    path = Path(spec)
    if path.suffix == ".toml":
        parts: Mapping[str, Any] = read_toml(path, ("ask",)).get("ask", {})
        return System(path.stem, build(AskSettings, PATIENT, sampling, parts, source=spec))
    name, *pairs = [part.strip() for part in spec.split(",")]
    base: Mapping[str, Any] = {}
    if name in SYSTEMS:
        base = SYSTEMS[name]
    elif "=" in name:
        pairs.insert(0, name)
    else:
        raise ConfigError(f"unknown system {name!r}{suggest(name, SYSTEMS)}; or settings such as n=5,plan=off")
    changes = dict(_read_pair(pair, spec) for pair in pairs)
    return System(spec, build(AskSettings, PATIENT, sampling, base, changes, source=f"system {spec!r}"))


def _read_pair(pair: str, spec: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals or not value:
        raise ConfigError(f"system {spec!r}: {pair!r} is no setting; write key=value, as in n=5")
    try:
        return key.strip(), tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
