"""Other proxies to be measured beside ours, each in an environment of its own: LiteLLM and optillm, as plain proxies.

Versions are pinned, since figures are of versions. optillm's own requirements bring torch, transformers, gradio and
browsers for what it does besides; here it gets what its server imports to pass a request on, which is the same code.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 180.0
"""LiteLLM takes its time."""
OPTILLM_NEEDS = (
    "aiohttp",
    "cerebras_cloud_sdk",
    "flask",
    "math-verify",
    "networkx",
    "numpy",
    "openai",
    "pyyaml",
    "requests",
    "sympy",
    "z3-solver<=4.15.4.0",
)
LITELLM_CONFIG = """
model_list:
  - model_name: simulated
    litellm_params: {{model: openai/simulated, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
litellm_settings: {{telemetry: false}}
"""
KEY = f"sk-{secrets.token_hex(32)}"
"""What clients show to all of them; LiteLLM does not start without one."""
QUIET = {
    "LITELLM_MASTER_KEY": KEY,
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "OPENAI_API_KEY": "none",
    "NO_COLOR": "1",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """Another proxy."""

    name: str
    version: str
    installs: Sequence[Sequence[str]]
    """Arguments of ``pip install``, one call after the other."""
    write_command: Callable[[Path, Path, int, int], list[str]]
    """(environment, scratch folder, port, upstream's port): how it is started."""
    streams: bool = True
    """False: it sends the whole text at the end, stream or not."""


def _start_litellm(environment: Path, scratch: Path, port: int, upstream: int) -> list[str]:
    config = scratch / "litellm.yaml"
    config.write_text(LITELLM_CONFIG.format(upstream=upstream))
    return [
        *(str(environment / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"),
        *("--port", str(port), "--num_workers", "1"),
    ]


def _start_optillm(environment: Path, scratch: Path, port: int, upstream: int) -> list[str]:
    del scratch
    return [
        *(str(environment / "bin" / "optillm"), "--approach", "none", "--model", "simulated", "--log", "error"),
        *("--base-url", f"http://127.0.0.1:{upstream}/v1", "--port", str(port)),
    ]


PEERS = (
    Peer("litellm", "1.108.7", [["litellm[proxy]==1.108.7"]], _start_litellm),
    Peer("optillm", "0.4.0", [["--no-deps", "optillm==0.4.0"], OPTILLM_NEEDS], _start_optillm, streams=False),
)


def install(peer: Peer, folder: Path) -> str | None:
    """Install a peer into a folder, unless it is there.

    Returns:
        None, or why it cannot be had.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    asks = f"from importlib.metadata import version; print(version('{peer.name}'))"
    found = subprocess.run([python, "-c", asks], capture_output=True, text=True, check=False)
    if found.stdout.strip() == peer.version:
        return None
    for arguments in peer.installs:
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return (done.stderr.strip().splitlines() or ["pip failed without a word"])[-1]
    return None


@contextmanager
def running(peer: Peer, environment: Path, scratch: Path, upstream: int) -> Generator[tuple[int, str] | str]:
    """Run a peer before the upstream at a port; yields its process's id and address, or why it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = scratch / f"{peer.name}.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            peer.write_command(environment, scratch, port, upstream),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            env={**os.environ, **QUIET},
        ) as process,
    ):
        try:
            is_up = _wait_for(port, process)
            yield (process.pid, f"http://127.0.0.1:{port}/v1") if is_up else log.read_text()[-300:]
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until somebody listens; False where the process ends or takes too long."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False
