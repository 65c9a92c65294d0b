"""The host's side of one sandbox: starts its first process, hands it jobs, and watches each from outside.

A cell's output is collected here, its time is measured here and its end is reported by its parent process, so nothing
that the code under test says about itself counts.
"""

import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import resources
from typing import Any

from abruzzi.errors import SandboxError
from abruzzi.verifiers.sandbox.inside.spawner import CONFINEMENT_FAILED, MAX_MESSAGE_BYTES
from abruzzi.verifiers.sandbox.interpreter import Interpreter
from abruzzi.verifiers.sandbox.limits import Limits, Run
from abruzzi.verifiers.sandbox.walls import WallName, start_behind

_INSIDE = "abruzzi.verifiers.sandbox.inside"
_MODULES = ("syscalls", "confine", "wire", "peer", "cells", "spawner")
"""In the order in which they import one another."""
_BOOT = """
import json, socket, sys, types
control = socket.socket(fileno=0)
sources, settings = json.loads(control.recv(1 << 18))
for name, source in sources:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
sys.modules[name].main(control, settings)()
"""
_START_TIMEOUT_S = 20.0
_GRACE_S = 10.0
"""How long a killed cell may take to be reported before the whole sandbox is given up."""
_MAX_ERRORS_BYTES = 4096
NO_LONGER_NEEDED = "no longer needed"
"""Why a cell was ended when the one that it served had ended."""
_READ_BYTES = 1 << 16
_FIRST_UID = 1 << 30
"""As root each sandbox takes a user of its own from here up: the kernel counts processes per user."""


def _modules() -> list[tuple[str, str]]:
    folder = resources.files(_INSIDE)
    return [(f"{_INSIDE}.{name}", folder.joinpath(f"{name}.py").read_text(encoding="utf-8")) for name in _MODULES]


def _num_tasks_of_user() -> int:
    """Count the user's threads: the kernel's limit on them is for all of a user's processes together."""
    count = 0
    with os.scandir("/proc") as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                    count += len(os.listdir(f"/proc/{entry.name}/task"))  # noqa: PTH208 - only the number is wanted
    return count


class Cell:
    """A confined process, seen from outside."""

    def __init__(self, owner: "Sandbox", limits: Limits, streams: Sequence[int]) -> None:
        self.owner = owner
        self.limits = limits
        self.output = bytearray()
        self.errors = bytearray()
        self.stopped = ""
        self.report: dict[str, Any] | None = None
        self.started = time.monotonic()
        self.seconds = 0.0
        self.streams = {streams[0]: self._take_output, streams[1]: self._take_errors}

    def _take_output(self, data: bytes) -> None:
        room = self.limits.output_bytes - len(self.output)
        self.output += data[:room]
        if len(data) > room:
            self.stop(f"wrote more than {self.limits.output_bytes} bytes")

    def _take_errors(self, data: bytes) -> None:
        self.errors += data
        del self.errors[:-_MAX_ERRORS_BYTES]

    def stop(self, why: str) -> None:
        """Kill it; the first reason is the one that counts."""
        if not self.stopped and self.report is None:
            self.stopped = why
            self.owner.send({})

    def end(self) -> None:
        """Take the report of its end.

        Raises:
            SandboxError: the spawner is gone, or it could not confine the cell.
        """
        report = self.owner.receive()
        self.seconds = time.monotonic() - self.started
        if report["status"] == CONFINEMENT_FAILED:
            raise self.owner.failure(f"a cell could not be confined: {self.errors.decode('utf-8', 'replace')}")
        self.report = report

    def run(self) -> Run:
        """Tell how it ended."""
        report = self.report
        assert report is not None, "a cell is asked how it ended before it did"
        stopped = self.stopped
        if report["stopped"] == "disk":
            stopped = f"kept more than {self.limits.max_files} files or {self.limits.disk_bytes} bytes"
        elif report["status"] == -signal.SIGXCPU or (report["status"] < 0 and report["cpu_s"] > self.limits.cpu_s):
            stopped = f"used more than {self.limits.cpu_s} s of CPU time"
        errors = self.errors.decode("utf-8", "replace")
        return Run(report["status"], bytes(self.output), errors, report["cpu_s"], self.seconds, stopped)


class Sandbox:
    """One spawner behind one wall; runs one cell at a time.

    Raises:
        SandboxError: it did not come up.
    """

    def __init__(self, wall: WallName, interpreter: Interpreter) -> None:
        self.wall = wall
        self.interpreter = interpreter
        self.is_broken = False
        is_root = os.getuid() == 0
        uid = _FIRST_UID + secrets.randbelow(1 << 29) if is_root else None
        self._max_other_tasks = 0 if is_root else _num_tasks_of_user()
        start = start_behind(wall, interpreter, _BOOT, disk_bytes=2 * Limits().disk_bytes)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own command
                    start.command,
                    env=start.environment,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as error:
            self._control.close()
            self._errors.close()
            raise SandboxError(f"the {wall} sandbox does not start: {error}") from error
        settings = {
            "uid": uid,
            "folder": start.folder,
            "readable": [*interpreter.readable, "/dev/zero", "/dev/urandom", "/dev/random"],
            "packages": interpreter.packages,
        }
        self.send([_modules(), settings])
        try:
            hello = self.receive(_START_TIMEOUT_S)
        except SandboxError:
            self.close()
            raise
        self.folder: str = hello["folder"]
        self.landlock_version: int = hello["landlock"]
        self.has_filter: bool = hello["filters"]

    @property
    def is_reusable(self) -> bool:
        """True when one cell cannot reach the next, nor the spawner between them."""
        return self.landlock_version > 0 and self.has_filter

    @property
    def is_alive(self) -> bool:
        """True while its first process runs and holds the line."""
        if self._process.poll() is not None:
            return False
        self._control.settimeout(0.0)
        with suppress(BlockingIOError):
            self._control.recv(1, socket.MSG_PEEK)
            return False  # nothing is due, so this is the end of the line
        return True

    def send(self, message: Any) -> None:
        """Send the spawner a message; a dead one shows when its answer is awaited."""
        with suppress(OSError):
            self._control.send(json.dumps(message).encode())

    def start(
        self, role: str, job: Mapping[str, Any], *, limits: Limits, stdin: bytes = b"", lines: Sequence[int] = ()
    ) -> Cell:
        """Start a cell.

        Args:
            role: "program", "solution" or "tests".
            job: what it is to do; only the cell ever reads it.
            limits: what it may use.
            stdin: its standard input.
            lines: more descriptors for it; they are not closed here.
        """
        job_file, stdin_file = os.memfd_create("job"), os.memfd_create("stdin")
        output, output_end = os.pipe()
        errors, errors_end = os.pipe()
        theirs = [job_file, stdin_file, output_end, errors_end]
        numbers = {
            "cpu_s": limits.cpu_s,
            "memory_bytes": limits.memory_bytes,
            "disk_bytes": limits.disk_bytes,
            "max_files": limits.max_files,
            "max_tasks": limits.max_threads + self._max_other_tasks,
        }
        try:
            for file, data in ((job_file, json.dumps(job).encode()), (stdin_file, stdin)):
                with os.fdopen(os.dup(file), "wb") as writer:
                    writer.write(data)
                os.lseek(file, 0, os.SEEK_SET)
            message = json.dumps({"role": role, "limits": numbers}).encode()
            with suppress(OSError):  # a dead spawner shows when its answer is awaited
                socket.send_fds(self._control, [message], [*theirs, *lines])
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return Cell(self, limits, (output, errors))

    def close(self) -> None:
        """End it: no process and no file stays behind."""
        self._control.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self.wall is not WallName.BUBBLEWRAP and hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._errors.close()

    def disown(self) -> None:
        """Let go of it without ending it: it belongs to the process that forked this one."""
        self._control.close()
        self._errors.close()
        self._process.returncode = 0

    @property
    def control(self) -> socket.socket:
        """The message socket: readable when a cell has ended."""
        return self._control

    def receive(self, timeout_s: float = 0.0) -> dict[str, Any]:
        """Read the spawner's next message.

        Raises:
            SandboxError: the spawner is gone.
        """
        self._control.settimeout(timeout_s)
        try:
            message = self._control.recv(MAX_MESSAGE_BYTES)
        except OSError as error:
            raise self.failure(str(error)) from error
        if not message:
            raise self.failure("it ended")
        return json.loads(message)

    def failure(self, why: str) -> SandboxError:
        """Write it off, and say why with what it said itself."""
        self.is_broken = True
        self._errors.seek(0)
        said = self._errors.read(2000).decode("utf-8", "replace").strip()
        return SandboxError(f"the {self.wall} sandbox failed: {why}" + (f"; it said: {said}" if said else ""))


def watch(cells: Sequence[Cell], leader: Cell, *, deadline: float) -> None:
    """Collect what cells write until all have ended; when the leader ends, the others are ended too.

    Args:
        cells: one per sandbox.
        leader: the one whose end settles it.
        deadline: on the monotonic clock; what runs on is killed then.

    Raises:
        SandboxError: a spawner is gone or does not obey. Each sandbox whose cell did not end is marked broken.
    """
    selector = selectors.DefaultSelector()
    for cell in cells:
        selector.register(cell.owner.control, selectors.EVENT_READ, cell)
        for descriptor, take in cell.streams.items():
            selector.register(descriptor, selectors.EVENT_READ, take)
    try:
        while any(cell.report is None for cell in cells):
            now = time.monotonic()
            if now > deadline + _GRACE_S:
                raise SandboxError("a sandbox does not end what it was told to end")
            if now > deadline:
                for cell in cells:
                    cell.stop(f"ran for more than {now - cell.started:.0f} s")
            limit = deadline if now <= deadline else deadline + _GRACE_S
            for key, _ in selector.select(limit - now + 0.001):
                if isinstance(key.data, Cell):
                    key.data.end()
                    selector.unregister(key.fileobj)
                else:
                    _take(selector, key)
            if leader.report is not None:
                for cell in cells:
                    cell.stop(NO_LONGER_NEEDED)
        while selector.get_map() and (ready := selector.select(0)):
            for key, _ in ready:
                _take(selector, key)
    finally:
        selector.close()
        for cell in cells:
            cell.owner.is_broken |= cell.report is None
            for descriptor in cell.streams:
                os.close(descriptor)


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    data = os.read(key.fd, _READ_BYTES)
    if data:
        key.data(data)
    else:
        selector.unregister(key.fd)
