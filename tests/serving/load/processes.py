"""Starts what a load test runs against, each as a process of its own: the simulated upstream, and ``abruzzi serve``."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio

from abruzzi.serving.question_record import QuestionRecord
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from tests.cli.running import environment

UPSTREAM = Path(__file__).with_name("upstream.py")
SETTINGS = """
[ask]
first_token_s = {first_token_s}
idle_s = {idle_s}

[serve]
drain_s = {drain_s}

[serve.limits]
running = 2000
key = {{requests_per_minute = 0, concurrent = 0}}

{further}
"""


@contextmanager
def upstream(*options: str, port: int = 0) -> Generator[tuple[subprocess.Popen[str], int]]:
    """Run the simulated upstream; yields its process and its port. It is killed at the end."""
    command = [sys.executable, str(UPSTREAM), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def abruzzi(
    home: Path,
    port: int,
    *,
    first_token_s: float = 60.0,
    idle_s: float = 60.0,
    drain_s: float = 60.0,
    further: str = "",
) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run ``abruzzi serve`` before an upstream at a port; yields its process and its address, ``/v1`` and all.

    What it keeps and what it logs lies in ``home``. Seconds are those of the settings; ``further`` is TOML to be added.
    It is killed at the end.
    """
    settings = home / "abruzzi.toml"
    settings.write_text(SETTINGS.format(first_token_s=first_token_s, idle_s=idle_s, drain_s=drain_s, further=further))
    command = [sys.executable, "-m", "abruzzi", "serve", "--no-keys", "--port", "0", "--config", str(settings)]
    command += ["--model", f"http://127.0.0.1:{port}/v1#simulated"]
    with (
        (home / "log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(home)) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving "), (home / "log").read_text()
            yield process, process.stdout.readline().split()[1]
        finally:
            process.kill()


def read_records(home: Path, *, lease_s: float = 60.0) -> dict[str, QuestionRecord]:
    """Read what a server has kept; one that said nothing for ``lease_s`` is dead, and what it was answering lost."""
    settings = StoreSettings(url=str(home / "questions.db"), lease_s=lease_s, heartbeat_s=lease_s / 2)

    async def read() -> dict[str, QuestionRecord]:
        store = await open_store(settings, {})
        try:
            return {record.id: record async for record in store.each()}
        finally:
            await store.close()

    return anyio.run(read)
