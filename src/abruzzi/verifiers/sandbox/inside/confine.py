"""What a process does to itself, for good, before it runs a line of code that nobody vouches for.

Three layers of the kernel, each without privileges: resource limits, Landlock (which files) and seccomp (which system
calls). They cannot be undone by the process or by anything it starts.

Landlock: https://docs.kernel.org/userspace-api/landlock.html, version 1 (Linux 5.13) and later. It does not guard what
``stat`` tells of a path, nor modes, owners and times: the system-call filter refuses to change those.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from abruzzi.verifiers.sandbox.inside.syscalls import filter_program

if sys.platform == "linux":  # so that importing this tells nobody off who runs no code
    import resource

    _libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_GET_SECCOMP, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 21, 22, 38
_SECCOMP_MODE_FILTER = 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REGULAR, _TRUNCATE = (
    1 << 1,
    1 << 2,
    1 << 3,
    1 << 5,
    1 << 8,
    1 << 14,
)
_HANDLED_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
"""Landlock version → every right it knows; later versions add device control."""
_HANDLED_LATER = (1 << 16) - 1
_HANDLED_TCP, _HANDLED_SCOPES = 0b11, 0b11
"""Binding and connecting (version 4); abstract sockets and signals outwards (version 6)."""

STACK_BYTES = 128 << 20
"""Main-thread stack: deep recursion through built-ins needs more than the usual 8 MiB."""
MAX_OPEN_FILES = 64


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))


@dataclass(frozen=True, slots=True)
class Confinement:
    """Prepared once by the spawner, put on by each cell."""

    landlock_version: int
    """0 where the kernel has none."""
    ruleset: int
    """Descriptor of the Landlock rules; -1 where there are none."""
    program: bytes
    """The system-call filter; empty where none is known for the machine or the kernel refuses filters."""

    @property
    def isolates(self) -> bool:
        """True when neither files nor processes of others can be reached, so that cells may share a spawner."""
        return self.ruleset >= 0 and bool(self.program)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _ruleset_attributes(version: int) -> bytes:
    files = _HANDLED_FILES.get(version, _HANDLED_LATER)
    attributes = files.to_bytes(8, "little")
    if version >= 4:
        attributes += _HANDLED_TCP.to_bytes(8, "little")
    if version >= 6:
        attributes += _HANDLED_SCOPES.to_bytes(8, "little")
    return attributes


def _allow(ruleset: int, path: str, rights: int) -> None:
    if not Path(path).is_dir():
        rights &= _WRITE_FILE | _READ_FILE | _TRUNCATE
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathRule(rights, descriptor)
        _checked(_libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0), f"allowing {path}")
    finally:
        os.close(descriptor)


def prepare(readable: Iterable[str], folder: str) -> Confinement:
    """Build the rules that cells will put on.

    Args:
        readable: files and folders that may be read.
        folder: the only folder where files may be made; no folders within it, so that emptying it is simple.
    """
    program = filter_program(os.uname().machine) if _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 else b""
    version = max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _RULESET_VERSION)))
    if not version:
        return Confinement(0, -1, program)
    attributes = _ruleset_attributes(version)
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0), "making Landlock rules")
    truncate = _TRUNCATE if version >= 3 else 0
    for path in readable:
        if Path(path).exists():
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
    _allow(ruleset, "/dev/null", _READ_FILE | _WRITE_FILE)
    _allow(ruleset, folder, _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_FILE | _MAKE_REGULAR | truncate)
    return Confinement(version, ruleset, program)


def hide_memory() -> None:
    """Keep this process and those forked from it from being traced or read by others of the same user."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "hiding memory")


def _limit_resources(limits: Mapping[str, int]) -> None:
    cpu_s = limits["cpu_s"]
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["disk_bytes"], limits["disk_bytes"]),
        (resource.RLIMIT_NPROC, limits["max_tasks"], limits["max_tasks"]),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES, MAX_OPEN_FILES),
        (resource.RLIMIT_STACK, STACK_BYTES, STACK_BYTES),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)  # noqa: PLW2901 - lowered to what we may set
        resource.setrlimit(kind, (soft, hard))


def put_on(confinement: Confinement, limits: Mapping[str, int]) -> None:
    """Confine the calling process, for good.

    Args:
        confinement: what ``prepare`` built.
        limits: ``cpu_s``, ``memory_bytes``, ``disk_bytes`` and ``max_tasks`` (processes and threads of the user).

    Raises:
        OSError: the kernel refused; the caller must not go on.
    """
    _limit_resources(limits)
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "tying the cell to its spawner")
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "giving up privileges")
    if confinement.ruleset >= 0:
        _checked(_libc.syscall(_RESTRICT_SELF, confinement.ruleset, 0), "restricting files")
    if confinement.program:
        program = _Filter(len(confinement.program) // 8, confinement.program)
        _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program)), "filtering system calls")
