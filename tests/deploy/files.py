"""Reads what is in deploy/: the files of every place where the server runs, and how each starts it."""

import json
import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import typer
import yaml

from abruzzi.cli.main import app
from abruzzi.cli.wiring import ASK_TABLES
from abruzzi.config import read_toml
from abruzzi.serving.settings import ServeSettings, build_serve_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
SETTINGS = DEPLOY / "abruzzi.toml"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "abruzzi.service").read_text()


def load(name: str) -> Any:
    """Read a YAML file of one document."""
    return yaml.safe_load((DEPLOY / name).read_text())


COMPOSE: dict[str, Any] = load("compose.yaml")["services"]
KUBERNETES: dict[str, Any] = {path.stem: load(f"kubernetes/{path.name}") for path in DEPLOY.glob("kubernetes/*.yaml")}
POD: dict[str, Any] = KUBERNETES["deployment"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "abruzzi.json").read_text())
RULES: list[dict[str, Any]] = [rule for group in load("prometheus/rules.yml")["groups"] for rule in group["rules"]]


def instructions(name: str) -> list[str]:
    """What stands behind each instruction of that name in the Dockerfile, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return re.findall(rf"^\s*{name} +(.*)$", joined, re.MULTILINE)


def seconds(text: str) -> float:
    """Read a duration such as ``330s``."""
    assert text.endswith("s")
    return float(text[:-1])


@dataclass(frozen=True)
class Place:
    """Where the server runs."""

    command: tuple[str, ...]
    """What follows the program's name."""
    grace_s: float
    """From the signal to the kill."""


PLACES = {
    "image": Place(tuple(json.loads(instructions("CMD")[-1])), float("inf")),
    "compose": Place(tuple(COMPOSE["abruzzi"]["command"]), seconds(COMPOSE["abruzzi"]["stop_grace_period"])),
    "kubernetes": Place(
        tuple(CONTAINER["args"]),
        POD["terminationGracePeriodSeconds"] - float(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1]),
    ),
    "systemd": Place(
        tuple(shlex.split(re.findall("^ExecStart=(.*)$", UNIT, re.MULTILINE)[0])[1:]),
        float(re.findall("^TimeoutStopSec=(.*)$", UNIT, re.MULTILINE)[0]),
    ),
}


@cache
def parse(command: tuple[str, ...]) -> dict[str, Any]:
    """Let the command line itself read a command of ``abruzzi serve``."""
    serve = cast("Any", typer.main.get_command(app)).commands["serve"]
    assert command[0] == "serve"
    return serve.make_context("serve", list(command[1:])).params


@cache
def settle(place: Place) -> ServeSettings:
    """Build the settings that a place's command and the file come to, as ``abruzzi serve`` does."""
    options = parse(place.command)
    table = read_toml(SETTINGS, ASK_TABLES)["serve"]
    fields = {field: options[field] for field in ("host", "port", "keys_file")}
    return build_serve_settings(table, fields, source=str(SETTINGS))
