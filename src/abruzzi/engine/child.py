"""One child process of the engine, from its start to its end, and why it did not start."""

import json
import queue
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from abruzzi.engine.log import EngineLog
from abruzzi.engine.settings import EngineSettings, Order
from abruzzi.errors import EngineStartError

_MEMORY = re.compile(
    r"failed to (?:allocate|create.context)|unable to allocate|out of memory|bad_alloc|MemoryError", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Said:
    """A line that a child wrote on its stdout."""

    child: "Child"
    line: str


@dataclass(frozen=True, slots=True)
class Left:
    """The end of a child's stdout: it is gone."""

    child: "Child"


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the engine stopped."""


Inbox = queue.Queue[Said | Left | Stop]
"""What the supervising thread waits for."""


class Child:
    """A running worker.

    Args:
        settings: the engine's.
        order: what the child is to serve.
        log: gets its stderr.
        inbox: told of each line on its stdout, and of its end.
    """

    def __init__(self, settings: EngineSettings, order: Order, log: EngineLog, inbox: Inbox) -> None:
        self._settings = settings
        self._log = log
        self._inbox = inbox
        log.mark()
        self._process = subprocess.Popen(  # noqa: S603 - our own worker
            settings.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.file,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, which then stops the child
        )
        threading.Thread(target=self._listen, name="engine-ears", daemon=True).start()
        self._say(json.dumps(order.to_json()))

    @property
    def pid(self) -> int | None:
        """Its process id; None once it left."""
        return self._process.pid if self._process.poll() is None else None

    @property
    def ending(self) -> str:
        """How a child that left did so; waits for it."""
        status = self._process.wait()
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    def await_url(self) -> str:
        """Wait until it serves and return where.

        Raises:
            EngineStartError: it says it cannot, leaves, or takes too long.
        """
        limit_s = self._settings.start_timeout_s
        deadline = time.monotonic() + limit_s
        while True:
            try:
                message = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise EngineStartError(
                    f"the engine did not start within {limit_s:g} s: give it longer, or take fewer slots"
                ) from None
            match message:
                case Stop():
                    raise EngineStartError("the engine was stopped while it started")
                case Left() if message.child is self:
                    raise EngineStartError(self._why(f"it left ({self.ending})"))
                case Said() if message.child is self:
                    return self._read_reply(message.line)
                case _:
                    pass  # the last words of a child before this one

    def end(self) -> None:
        """Ask it to leave; kill it if it does not leave in time."""
        # A word as well as the end of the pipe: a process that was forked from us meanwhile may hold the pipe open.
        self._say("leave")
        self._close_stdin()
        try:
            self._process.wait(timeout=self._settings.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._close_stdin()

    def _say(self, line: str) -> None:
        """Write a line; a child that is gone does not hear it, and that is told by ``Left``."""
        assert self._process.stdin is not None, "stdin is a pipe"
        with suppress(OSError, ValueError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _close_stdin(self) -> None:
        assert self._process.stdin is not None, "stdin is a pipe"
        with suppress(OSError, ValueError):  # the latter where another thread is closing it at this moment
            self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None, "stdout is a pipe"
        with self._process.stdout as lines:
            for line in lines:
                self._inbox.put(Said(self, line))
        self._inbox.put(Left(self))

    def _read_reply(self, line: str) -> str:
        try:
            reply: dict[str, Any] = json.loads(line)
            if "error" in reply:
                raise EngineStartError(self._why(str(reply["error"])))
            return str(reply["ok"]["url"])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineStartError(self._why(f"it said {line.strip()!r}, which is no reply")) from error

    def _why(self, said: str) -> str:
        """Find the reason of a failed start in what the child said and in its log."""
        self.end()
        log = self._log.tail(200)
        everything = "\n".join([said, *log])
        wanted = self._settings
        if "couldn't bind" in everything or _is_taken(
            wanted.port
        ):  # on a busy machine the log may end before it says so
            return f"port {wanted.port} on 127.0.0.1 is taken: choose another one, or 0 for any free port"
        if _MEMORY.search(everything) or self._process.returncode == -signal.SIGKILL:
            return (
                f"not enough memory for {wanted.model.name} with {wanted.slots} slots of {wanted.context_tokens} "
                "tokens: take fewer slots or a shorter context"
            )
        if self._process.returncode == -signal.SIGILL:
            return (
                "this processor lacks an instruction that xllamacpp was built with: where you built it yourself, see "
                "docs/engine-build.md; the index's own wheel needs AVX2 on an x86 processor; else use an endpoint"
            )
        if said.startswith("xllamacpp cannot be loaded"):
            return f"{said}: run `pip install xllamacpp` (on Linux it needs libgomp too), or use an endpoint instead"
        # llama.cpp marks its errors with a lone E; the first one is the cause, the others follow from it.
        complaints = [line.split(" E ", 1)[1].strip() for line in log if " E " in line]
        last_words = f"; its last words: {' | '.join(log[-3:])}" if log else ""
        reason = complaints[0] if complaints else said + last_words
        return f"the engine could not load {wanted.model}: {' '.join(reason.split())}"


def _is_taken(port: int) -> bool:
    """Tell whether something listens on a port of this machine; 0 is none."""
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
