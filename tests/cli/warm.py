"""A process that has imported the command line; each command is run by a fork of it.

Most of what a short command costs is imports: of a scripted question's 1.4 s of processor time, a fork needs 0.2. It
has what a process of its own has: arguments, environment, folder, streams, and an ending with its exit handlers. It
does not show what a command imports, nor how it starts: tests of that start an interpreter
(``tests.cli.running.run_afresh``).
"""

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from abruzzi.cli.main import run

PRELOADED = (
    "abruzzi.cli.ablating",
    "abruzzi.cli.asking",
    "abruzzi.cli.benchmarking",
    "abruzzi.cli.evaluating",
    "abruzzi.cli.reporting",
    "abruzzi.cli.serving",
    "abruzzi.cli.storing",
    "abruzzi.cli.verifying",
    "abruzzi.pages.plots",
)
"""What commands import when they run; none of it starts a thread, which a fork would lack."""
PATIENCE_S = 120.0
_NUMBER = struct.Struct("<q")
"""The process id of the command, and then its exit code; negative: the signal that ended it."""


class Warm:
    """Runs commands, one after the other."""

    def __init__(self) -> None:
        self._sock, theirs = socket.socketpair()
        self._sock.settimeout(PATIENCE_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve({theirs.fileno()})"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                # A pool of threads would not come along into the forks.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        atexit.register(self.close)

    def run(
        self, arguments: Sequence[str], *, stdin: bytes | None, env: Mapping[str, str], cwd: Path
    ) -> tuple[int, bytes, bytes]:
        """Run a command to its end; returns its exit code and what it wrote to stdout and stderr.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        with ExitStack() as stack:
            order, given, out, err = (stack.enter_context(TemporaryFile()) for _ in range(4))
            order.write(json.dumps({"arguments": arguments, "env": dict(env), "cwd": str(cwd)}).encode())
            given.write(stdin or b"")
            for file in (order, given):
                file.seek(0)
            socket.send_fds(self._sock, [b"R"], [file.fileno() for file in (order, given, out, err)])
            pid = self._receive()
            try:
                code = self._receive()
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._receive()
                raise subprocess.TimeoutExpired(list(arguments), PATIENCE_S, _read(out), _read(err)) from None
            return code, _read(out), _read(err)

    def close(self) -> None:
        """End the process."""
        self._sock.close()
        self._process.wait()

    def _receive(self) -> int:
        message = self._sock.recv(_NUMBER.size)
        if not message:
            raise EOFError("the process that commands are forked from has ended; its stderr says why")
        return int(_NUMBER.unpack(message)[0])


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def serve(fd: int) -> None:
    """Fork a process for each command that comes, until the other end is closed; returns in no fork."""
    for module in PRELOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the commands' business
    with socket.socket(fileno=fd) as sock:
        while True:
            message, files, _, _ = socket.recv_fds(sock, 1, 4)
            if not message:
                return
            pid = os.fork()
            if not pid:
                break
            for file in files:
                os.close(file)
            sock.sendall(_NUMBER.pack(pid))
            _, status = os.waitpid(pid, 0)
            sock.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))
    _become_command(*files)
    run()


def _become_command(order: int, *streams: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(order, "rb") as file:
        ordered = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(ordered["env"])
    os.chdir(ordered["cwd"])
    sys.argv = ["abruzzi", *ordered["arguments"]]
    sys.path[0] = ordered["cwd"]
