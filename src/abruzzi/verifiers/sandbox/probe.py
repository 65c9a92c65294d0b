"""Finds out, by trying to break out, whether a kind of sandbox holds on this machine.

A kernel may lack Landlock, a container may forbid namespaces, a package may be installed and not work: only an attempt
tells. The attempt is a program that runs as untrusted code does and prints what it got away with.
"""

import json
import os
import socket
import tempfile
from pathlib import Path

from abruzzi.errors import SandboxError
from abruzzi.verifiers.sandbox.interpreter import find_interpreter
from abruzzi.verifiers.sandbox.limits import Limits
from abruzzi.verifiers.sandbox.runs import run_program
from abruzzi.verifiers.sandbox.sandbox import Sandbox
from abruzzi.verifiers.sandbox.walls import WallName

_ATTEMPTS = """
import json, os, socket, sys

secret, host, port = json.loads(input())

def reads_a_file(): return open(secret).read()
def writes_a_file(): return open(secret + "-written", "w")
def lists_a_folder(): return os.listdir(os.path.dirname(secret))
def signals_the_host(): return not os.kill(host, 0)
def signals_its_parent(): return os.getppid() and not os.kill(os.getppid(), 0)
def reads_memory_of_its_parent(): return open(f"/proc/{os.getppid()}/mem", "rb")
def reads_the_environment_of_the_host(): return open(f"/proc/{host}/environ", "rb").read()
def connects(): return socket.create_connection(("127.0.0.1", port), 0.5)
def reaches_a_network(): return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9)) is None

done = []
for attempt in (reads_a_file, writes_a_file, lists_a_folder, signals_the_host, signals_its_parent,
                reads_memory_of_its_parent, reads_the_environment_of_the_host, connects, reaches_a_network):
    try:
        if attempt():
            done.append(attempt.__name__)
    except OSError:
        pass
print(json.dumps(done))
"""
_OWN_SANDBOX_ONLY = {"signals_its_parent", "reads_memory_of_its_parent"}
"""Harmless where a sandbox is used for one solution only and then thrown away."""


def open_sandbox(wall: WallName, python: str | None) -> Sandbox:
    """Start a sandbox, whatever it is worth.

    Raises:
        SandboxError: it does not come up.
    """
    must_be_public = wall is not WallName.BUBBLEWRAP and os.getuid() == 0
    return Sandbox(wall, find_interpreter(python, must_be_public=must_be_public))


def probe(wall: WallName, python: str | None) -> str:
    """Try to break out of a kind of sandbox.

    Returns:
        Why it will not do; empty when it holds.
    """
    try:
        sandbox = open_sandbox(wall, python)
    except SandboxError as error:
        return str(error)
    try:
        if wall is WallName.LANDLOCK and not sandbox.is_reusable:
            missing = "Landlock" if not sandbox.landlock_version else "a system-call filter for this machine"
            return f"the kernel has no {missing}"
        breaches = _attempt(sandbox)
    except SandboxError as error:
        return str(error)
    finally:
        sandbox.close()
    if not sandbox.is_reusable:
        breaches -= _OWN_SANDBOX_ONLY
    return f"code in it {', '.join(sorted(breaches))}".replace("_", " ") if breaches else ""


def _attempt(sandbox: Sandbox) -> set[str]:
    with (
        tempfile.TemporaryDirectory(prefix="abruzzi-probe-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        Path(folder).chmod(0o777)
        secret = Path(folder, "secret")
        secret.write_text("for the host only", encoding="utf-8")
        secret.chmod(0o644)
        stdin = json.dumps([str(secret), os.getpid(), server.getsockname()[1]]).encode()
        run = run_program(sandbox, _ATTEMPTS, stdin=stdin, limits=Limits())
        if not run.is_success:
            raise SandboxError(f"the trial of the {sandbox.wall} sandbox failed: {run.failure}")
        return set(json.loads(run.output))
