"""Runs the command line in a process of its own, as a person would."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.warm import PATIENCE_S, Warm

_warm = functools.cache(Warm)
"""Started when first needed."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed on stdout, read as JSON."""
        return json.loads(self.out)


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command: its own home, no keys of ours."""
    kept = {key: value for key, value in os.environ.items() if "API_KEY" not in key and not key.startswith("ABRUZZI")}
    return kept | {"ABRUZZI_HOME": str(home), "COLUMNS": "120"} | dict(extra or {})


def run(
    home: Path,
    *arguments: str,
    stdin: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Done:
    """Run ``abruzzi`` to its end, in a fork of a process that has it imported."""
    code, out, err = _warm().run(
        arguments,
        stdin=stdin.encode() if isinstance(stdin, str) else stdin,
        env=environment(home, env),
        cwd=cwd or Path.cwd(),
    )
    return Done(code, out.decode(), err.decode())


def run_afresh(home: Path, *arguments: str) -> Done:
    """Run ``abruzzi`` to its end in an interpreter of its own, which has everything to import."""
    done = subprocess.run(
        [sys.executable, "-m", "abruzzi", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(home),
        timeout=PATIENCE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
