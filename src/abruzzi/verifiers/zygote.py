"""The process that a pool's workers are forked from: both ends of it, and what a worker does.

A zygote imports what the work needs once; each worker is a fork of it, so a replacement is ready within milliseconds.
The zygote also kills: it is the workers' parent, so a process id cannot be reused under its hands, and whatever a
worker leaves behind, even a process that left its group and session, is handed to it by the kernel (Linux) and ends
with the worker. Each worker's temporary folder goes the same way. When the zygote's own parent ends, however that
happens, it kills all of them and ends too; should it be killed itself, the kernel kills the workers (Linux).

What it does not do: keep the work from reading files or the network. That is the sandbox's part.
"""

import atexit
import ctypes
import gc
import os
import pickle
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from abruzzi.errors import VerifierError

if sys.platform != "win32":  # so that importing this tells nobody off who verifies nothing
    import resource

_REQUEST = struct.Struct("<cq")
"""``F`` forks a worker that talks over the file descriptor sent along, ``K`` kills worker n."""
_REPLY = struct.Struct("<q")
"""The new worker's process id (negative: an errno), or the wait status of the killed one."""
_LENGTH = struct.Struct("<Q")
_OUT_OF_MEMORY = 112
"""Exit code of a worker that met MemoryError: what else it holds is not to be trusted any more."""
_REPLY_LIMIT_S = 120.0
"""For the imports above all: a second as a rule, a minute on a loaded machine without compiled bytecode."""
_END_LIMIT_S = 20.0
_LONGEST_WAIT_S = 86_400.0
"""What a socket can be told to wait, for a limit that is infinite."""
_MAX_ERROR_CHARS = 2000
"""An exception may quote the whole of what it was raised for."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(eq=False, slots=True)
class Worker:
    """A forked process that calls what it is sent."""

    pid: int
    sock: socket.socket
    is_fresh: bool = True
    """It has not been sent anything yet."""

    def call(self, message: bytes, deadline: float) -> tuple[Any, str | None]:
        """Send a pickled ``(function, argument)`` and wait for the value, or for what it raised as text.

        Raises:
            TimeoutError: not done at the deadline (``time.monotonic``).
            EOFError, OSError: it is dead.
        """
        self.is_fresh = False
        _send(self.sock, message, deadline)
        answer = _receive(self.sock, deadline)
        try:
            return pickle.loads(answer)  # noqa: S301  # from our own worker
        except Exception as error:  # noqa: BLE001  # a value's own code runs here; recorded as what the task raised
            return None, f"its value cannot be unpickled: {_describe(error)}"


class Zygote:
    """The pool's end: starts the zygote when first needed, and again should it die.

    Args:
        prepare: run in it once, before any worker is forked.
        max_memory_bytes: address space of each worker (macOS refuses to limit it).
    """

    def __init__(self, prepare: Callable[[], None], max_memory_bytes: int) -> None:
        self._prepare = prepare
        self._max_memory_bytes = max_memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        """None also while it prepares."""
        self._folder = Path()
        self._owner = os.getpid()
        self._is_closed = False
        self._lock = threading.Lock()

    def fork(self) -> Worker:
        """Get a fresh worker.

        Raises:
            VerifierError: there is none to be had.
        """
        if sys.platform == "win32":
            raise VerifierError("verifiers need os.fork, which Windows lacks: use WSL")
        with self._lock:
            try:
                if self._is_closed:
                    raise EOFError("its pool is closed")
                control = self._control or self._start()
                ours, theirs = socket.socketpair()
                with theirs:
                    socket.send_fds(control, [_REQUEST.pack(b"F", 0)], [theirs.fileno()])
                pid = self._reply(control)
            except (OSError, EOFError) as error:
                self._forget()
                raise VerifierError(f"no worker could be started: {error}; the next task tries again") from error
        if pid < 0:
            ours.close()
            raise VerifierError(f"no worker could be forked: {os.strerror(-pid)}; use fewer workers")
        return Worker(pid, ours)

    def kill(self, worker: Worker) -> str:
        """Kill a worker and all it started, dead or alive; says how it had ended."""
        worker.sock.close()
        with self._lock:
            try:
                if self._control is None:
                    raise EOFError
                self._control.sendall(_REQUEST.pack(b"K", worker.pid))
                status = self._reply(self._control)
            except (OSError, EOFError):
                self._forget()
                return "the process that all workers come from ended"
        return _explain(os.waitstatus_to_exitcode(status))

    def close(self) -> None:
        """End the zygote and with it all workers; whoever waits for it gets an error."""
        self._is_closed = True
        self._end()
        with self._lock:
            self._forget()

    def _reply(self, control: socket.socket) -> int:
        (number,) = _REPLY.unpack(_read(control, _REPLY.size, time.monotonic() + _REPLY_LIMIT_S))
        return number

    def _start(self) -> socket.socket:
        self._folder = _make_folder(Path(tempfile.mkdtemp(prefix="abruzzi-")))
        atexit.register(self.close)
        ours, theirs = socket.socketpair()
        start = f"from {__name__} import serve; serve({theirs.fileno()})"
        deadline = time.monotonic() + _REPLY_LIMIT_S
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own program
                    [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {start}"],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # out of reach of the terminal's Ctrl-C
                    # With a fixed hash seed the order of sets, and with it sympy's choices, are the same in every run.
                    env={**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                )
            _send(ours, pickle.dumps((self._prepare, self._max_memory_bytes, self._folder)), deadline)
            if complaint := _receive(ours, deadline):
                raise OSError(complaint.decode(errors="replace"))
        except (OSError, EOFError):
            ours.close()
            raise
        self._control = ours
        return ours

    def _end(self) -> None:
        """End its process; in a fork of the process that started it, do nothing."""
        process, control = self._process, self._control
        if process is None or self._owner != os.getpid():
            return
        if control is None:
            process.terminate()
        else:
            with suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
        try:
            process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _forget(self) -> None:
        """Let go of a zygote that is dead or to die."""
        self._end()
        if self._control is not None:
            self._control.close()
        if self._owner == os.getpid() and self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process, self._control, self._folder = None, None, Path()
        atexit.unregister(self.close)


def serve(control_fd: int) -> None:
    """Be the zygote: prepare once, then fork and kill workers until the parent is gone.

    Args:
        control_fd: a stream socket to the parent. Its first message is the pickled function to prepare with, the
            workers' memory limit and the folder for theirs; the answer is empty when all is well and says why not
            otherwise.
    """
    signal.signal(signal.SIGTERM, _leave)
    control = socket.socket(fileno=control_fd)
    parent = os.getppid()
    try:
        prepare, max_memory_bytes, folder = pickle.loads(_receive(control, None))  # noqa: S301  # from our own parent
        _control_process(_PR_SET_CHILD_SUBREAPER, 1)
        prepare()
        gc.freeze()  # so that collections in the workers do not copy the pages they share
    except Exception as error:  # noqa: BLE001  # handed to the parent, which raises
        return _send(control, _describe(error).encode(errors="replace"), None)
    nursery = _Nursery(max_memory_bytes, folder)
    try:
        _send(control, b"", None)
        while os.getppid() == parent:
            if not select.select([control], [], [], 1.0)[0]:
                continue
            request, fds, _, _ = socket.recv_fds(control, _REQUEST.size, 1)
            if not request:
                break
            action, pid = _REQUEST.unpack(request)
            answer = nursery.fork(socket.socket(fileno=fds[0]), control) if action == b"F" else nursery.kill(pid)
            control.sendall(_REPLY.pack(answer))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing may cut the clearing away short
        nursery.close()


class _Nursery:
    """The live workers of one zygote, each with its temporary folder below ``root``."""

    def __init__(self, max_memory_bytes: int, root: Path) -> None:
        self._max_memory_bytes = max_memory_bytes
        self._root = root
        self._folders: dict[int, Path] = {}
        self._num_forked = 0

    def fork(self, sock: socket.socket, control: socket.socket) -> int:
        """Fork a worker that serves ``sock``; its process id, or a negative errno."""
        self._num_forked += 1
        folder = _make_folder(self._root / str(self._num_forked))
        zygote = os.getpid()
        with sock:
            try:
                pid = os.fork()
            except OSError as error:
                return -(error.errno or 1)
            if pid == 0:
                exit_code = 1
                try:
                    control.close()
                    _settle(zygote, folder, self._max_memory_bytes)
                    _work(sock)
                except MemoryError:
                    exit_code = _OUT_OF_MEMORY
                finally:
                    os._exit(exit_code)
        self._folders[pid] = folder
        return pid

    def kill(self, pid: int) -> int:
        """Kill a worker and all it started; its wait status, or SIGKILL's where there is no such worker."""
        if pid not in self._folders:
            return signal.SIGKILL
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # not yet its own group; macOS: a group of zombies
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        folder = self._folders.pop(pid)
        while orphans := [child for child in _children() if child not in self._folders]:
            for orphan in orphans:
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)
        shutil.rmtree(folder, ignore_errors=True)
        return status

    def close(self) -> None:
        """Kill every worker."""
        for pid in tuple(self._folders):
            self.kill(pid)
        shutil.rmtree(self._root, ignore_errors=True)


def _settle(zygote: int, folder: Path, max_memory_bytes: int) -> None:
    """Turn a fresh fork into a worker: its own session, limits and temporary folder."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    _control_process(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote:
        raise ProcessLookupError("the zygote ended meanwhile")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = max_memory_bytes if hard == resource.RLIM_INFINITY else min(max_memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))  # soft: a sandbox sets another one for its children
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


def _work(sock: socket.socket) -> None:
    """Call what comes and answer ``(value, None)`` or ``(None, error)``, until the pool is gone."""
    while True:
        try:
            message = _receive(sock, None)
        except EOFError:
            return
        try:
            function, argument = pickle.loads(message)  # noqa: S301  # from our own pool
            answer = pickle.dumps((function(argument), None), protocol=pickle.HIGHEST_PROTOCOL)
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001  # the recorded boundary; SystemExit is an ending like others
            answer = pickle.dumps((None, _describe(error)))
        _send(sock, answer, None)


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {str(error)[:_MAX_ERROR_CHARS]}"
    except Exception:  # noqa: BLE001  # an exception that cannot be printed is still an exception
        return type(error).__name__


def _explain(exit_code: int) -> str:
    """Say how a worker had ended; one that was still alive died of our own SIGKILL."""
    if exit_code == _OUT_OF_MEMORY:
        return "its worker ran out of memory"
    if exit_code == -signal.SIGKILL:
        return "its worker was killed"
    if exit_code < 0:
        return f"its worker crashed ({signal.Signals(-exit_code).name})"
    return f"its worker ended itself with exit code {exit_code}"


def _send(sock: socket.socket, message: bytes, deadline: float | None) -> None:
    for part in (_LENGTH.pack(len(message)), message):
        sock.settimeout(_left(deadline))
        sock.sendall(part)


def _receive(sock: socket.socket, deadline: float | None) -> bytes:
    (length,) = _LENGTH.unpack(_read(sock, _LENGTH.size, deadline))
    return _read(sock, length, deadline)


def _read(sock: socket.socket, num_bytes: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < num_bytes:
        sock.settimeout(_left(deadline))
        piece = sock.recv(min(num_bytes - len(received), 1 << 20))
        if not piece:
            raise EOFError("the other side of the socket is gone")
        received += piece
    return bytes(received)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else min(max(deadline - time.monotonic(), 1e-3), _LONGEST_WAIT_S)


def _make_folder(path: Path) -> Path:
    """Make a folder that another user's sandbox may pass through, but not list."""
    path.mkdir(exist_ok=True)
    path.chmod(0o711)
    return path


def _children() -> list[int]:
    """Find the processes whose parent is this one (Linux; empty elsewhere)."""
    own = os.getpid()
    children: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_bytes().rpartition(b")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        if parent == own:
            children.append(int(stat.parent.name))
    return children


def _control_process(option: int, value: int) -> None:
    if sys.platform == "linux":
        prctl: Callable[..., Any] = ctypes.CDLL(None).prctl
        prctl(option, value, 0, 0, 0)


def _leave(*_: object) -> NoReturn:
    sys.exit(0)
