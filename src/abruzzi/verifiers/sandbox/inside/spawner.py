"""The first process in a sandbox: forks one confined process, a cell, per request, and buries it.

It is kept free of everything worth stealing, because each cell begins as a copy of its memory: jobs, inputs and
outputs pass it by as descriptors and are opened only by the cell and by the host. Requests come one at a time on a
message socket (descriptor 0): numbers in JSON, with the descriptors attached.

    host → {"role", "limits"} + [job, stdin, stdout, stderr, line?, report?]     start a cell
    host → {}                                                                    kill it
    spawner → {"status", "cpu_s", "stopped"}                                     it ended; its folder is empty again
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from abruzzi.verifiers.sandbox.inside.cells import open_standard_streams, run_program, run_tests, serve_solution
from abruzzi.verifiers.sandbox.inside.confine import Confinement, hide_memory, prepare, put_on

MAX_MESSAGE_BYTES = 1 << 16
_PRELOADED = (
    "bisect collections copy datetime decimal fractions functools heapq itertools math operator random re string typing"
)
"""What most solutions import: loaded once here instead of in each cell."""
_FIRST_FREE_DESCRIPTOR = 3
_CHECK_FOLDER_MS = 50
CONFINEMENT_FAILED = 117
"""Exit status of a cell that could not be confined and so ran nothing."""


def main(control: socket.socket, settings: Mapping[str, Any]) -> Callable[[], None]:
    """Serve requests until the host hangs up.

    Args:
        control: message socket to the host.
        settings: ``uid`` to become (or None), ``folder`` for the cells (or None: make one), ``readable`` paths,
            ``packages`` to add to the import path.

    Returns:
        What to do next: in a cell its job, in the spawner itself nothing.
    """
    folder = settings["folder"] or tempfile.mkdtemp(prefix="abruzzi-cell-")
    os.chdir(folder)
    if settings["uid"] is not None:
        _become(settings["uid"], None if settings["folder"] else folder)
    hide_memory()
    sys.path.extend(settings["packages"])
    for name in _PRELOADED.split():
        import_module(name)
    os.environ.update(HOME=folder, TMPDIR=folder)
    tempfile.tempdir = None  # forget the folder found above
    confinement = prepare(settings["readable"], ".")
    _send(control, {"folder": folder, "landlock": confinement.landlock_version, "filters": bool(confinement.program)})
    gc.freeze()
    job = _serve(control, confinement)
    if job is None:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    return job or _nothing


def _become(uid: int, folder: str | None) -> None:
    """Stop being root, taking along a folder that root has just made."""
    if folder is not None:
        os.chown(folder, uid, uid)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _serve(control: socket.socket, confinement: Confinement) -> Callable[[], None] | None:
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 8)
        if not message:
            return None
        request = json.loads(message)
        if not request:
            continue  # a kill that came too late
        pid = os.fork()
        if not pid:
            control.detach()  # its descriptor becomes the cell's standard input
            return _become_cell(request, confinement, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _send(control, _supervise(pid, control, request["limits"]))


def _nothing() -> None:
    """Do nothing."""


def _send(control: socket.socket, message: Mapping[str, Any]) -> None:
    with suppress(OSError):  # the host is gone: the next read tells
        control.send(json.dumps(message).encode())


def _become_cell(request: Mapping[str, Any], confinement: Confinement, descriptors: list[int]) -> Callable[[], None]:
    os.setsid()
    (
        job_file,
        *streams,
    ) = descriptors[:4]
    others = descriptors[4:]
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    _close_all_but({job_file, confinement.ruleset, *others})
    try:
        put_on(confinement, request["limits"])
    except OSError as error:
        os.write(2, str(error).encode())
        os._exit(CONFINEMENT_FAILED)
    if confinement.ruleset >= 0:
        os.close(confinement.ruleset)
    with os.fdopen(job_file, "rb") as file:
        job = json.load(file)
    open_standard_streams()
    role = {"program": run_program, "solution": serve_solution, "tests": run_tests}[request["role"]]
    return partial(role, job, *others)


def _close_all_but(kept: set[int]) -> None:
    start = _FIRST_FREE_DESCRIPTOR
    for descriptor in sorted(kept - {-1}):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _supervise(pid: int, control: socket.socket, limits: Mapping[str, int]) -> dict[str, Any]:
    """Wait for a cell's end, ending it early when the host says so or its folder grows too large."""
    process = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(process, select.POLLIN)
    poller.register(control, select.POLLIN)
    stopped = ""
    while not stopped:
        ready = {descriptor for descriptor, _ in poller.poll(_CHECK_FOLDER_MS)}
        if process in ready:
            break
        if control.fileno() in ready:
            control.recv(MAX_MESSAGE_BYTES)
            stopped = "asked"
        elif _is_overfull(limits["disk_bytes"], limits["max_files"]):
            stopped = "disk"
        if stopped:
            os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    os.close(process)
    _empty_folder()
    return {"status": os.waitstatus_to_exitcode(status), "cpu_s": usage.ru_utime + usage.ru_stime, "stopped": stopped}


def _is_overfull(max_bytes: int, max_files: int) -> bool:
    num_files = num_bytes = 0
    with os.scandir() as entries:
        for entry in entries:
            num_files += 1
            num_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
            if num_files > max_files or num_bytes > max_bytes:
                return True
    return False


def _empty_folder() -> None:
    for entry in os.scandir():
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink()
