"""A pool of processes that cannot hang: every task has a wall limit that is enforced from outside its process.

A task that outlives its limit is killed with everything it started, and its worker is replaced; one that crashes or
exhausts its memory is a value (``Died``) and touches no other task. Endings do not depend on the number of workers: a
worker that dies on a task which was not its first may suffer from an earlier one, so that task is tried once more, in
a fresh worker and within the same limit.

It runs any importable function of one picklable argument (``functools.partial`` for more), from scripts without
``if __name__ == "__main__"`` and from notebooks too, but not functions defined there, and not in a fork of the process
that made it. It needs ``os.fork``: Linux, macOS, WSL.

Why not pebble 5.2, which was tried first: it kills the worker only, so a process started by a task lives on; its
``map`` reads the whole iterable before the first result; and with the start methods that are safe beside threads it
fails in a script without that guard. ``concurrent.futures`` and ``multiprocessing.Pool`` cannot end one task at all.
"""

import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeAlias, TypeVar

import anyio
from anyio import from_thread, lowlevel

from abruzzi.errors import ConfigError, VerifierError
from abruzzi.verifiers.zygote import Worker, Zygote

T = TypeVar("T")
R = TypeVar("R")

_MAX_AHEAD = 10_000
"""How many endings ``run_many`` keeps while a slow task before them goes on."""


@dataclass(frozen=True, slots=True)
class Returned(Generic[R]):
    """The function came back."""

    value: R
    seconds: float


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised, or its argument or value cannot be pickled."""

    error: str
    """The exception's type and message."""
    seconds: float


@dataclass(frozen=True, slots=True)
class TimedOut:
    """It was killed at its wall limit."""

    limit_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Died:
    """Its process ended: a crash, the memory limit, ``os._exit``, or the task was cancelled."""

    reason: str
    seconds: float


Ending: TypeAlias = Returned[R] | Raised | TimedOut | Died


def prepare_nothing() -> None:
    """Do nothing: for functions that import little."""


@dataclass(eq=False, slots=True)
class _Job:
    function: Callable[[Any], Any]
    argument: Any
    limit_s: float
    future: Future[Ending[Any]] = field(default_factory=Future[Ending[Any]])
    worker: Worker | None = None
    """Who is at it."""
    is_cancelled: bool = False


class Pool:
    """Workers that start when first needed and end with ``close`` or with this process, whatever ends it.

    Args:
        workers: how many tasks run at the same time.
        max_memory_bytes: address space of each worker (macOS refuses to limit it).
        prepare: imports and warms up what the functions need, once; must be importable.

    Raises:
        ConfigError: no workers.
    """

    def __init__(
        self, workers: int = 1, *, max_memory_bytes: int = 2 << 30, prepare: Callable[[], None] = prepare_nothing
    ) -> None:
        if workers < 1:
            raise ConfigError(f"a pool needs at least 1 worker, got {workers!r}")
        self.workers = workers
        self._zygote = Zygote(prepare, max_memory_bytes)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._unfinished: set[_Job] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._is_closed = False

    def submit(self, function: Callable[[T], R], argument: T, limit_s: float) -> Future[Ending[R]]:
        """Queue a task; its future holds an ``Ending``, never an exception.

        The limit counts from the moment a worker is given the task.

        Raises:
            ConfigError: the limit is not positive, the pool is closed, or made by the process this one forked from.
        """
        return self._submit(function, argument, limit_s).future

    async def run(self, function: Callable[[T], R], argument: T, limit_s: float) -> Ending[R]:
        """Run one task from an event loop; cancelling it kills the worker that is at it, or takes it off the queue.

        Raises:
            ConfigError: as for ``submit``.
        """
        job = self._submit(function, argument, limit_s)
        done = ring_when_done(job.future)
        try:
            await done.wait()
        except anyio.get_cancelled_exc_class():
            if not self._cancel(job):
                with anyio.CancelScope(shield=True):
                    await done.wait()
            raise
        return job.future.result()

    def run_many(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        limit_s: Callable[[T], float],
        *,
        progress: Callable[[int], None] | None = None,
    ) -> Generator[Ending[R], None, None]:
        """Run a function over items, lazily and in order.

        Items are read in a thread of their own, and only a few more of them than are being worked at. Endings that
        wait for an earlier one are kept, up to ten thousand, so that one slow task does not idle the other workers.
        Closing the generator ends the tasks that are under way.

        Args:
            function: as for ``submit``.
            items: may be endless; what it raises is raised here, after the endings of the items before.
            limit_s: gives an item's wall limit.
            progress: told how many tasks are finished, as they finish, from the pool's threads.
        """
        feed = _Feed(self.workers, progress)
        source = ((item, limit_s(item)) for item in items)
        submit = partial(self._submit, function)
        threading.Thread(target=feed.run, args=(submit, source), name="abruzzi-feed", daemon=True).start()
        try:
            while (entry := feed.entries.get()) is not None:
                if isinstance(entry, Exception):
                    raise entry
                yield entry.future.result()
                feed.ahead.release()
        finally:
            for job in feed.stop():
                self._cancel(job)

    def close(self) -> None:
        """End every task and process; a task that never began is cancelled, one under way ends as ``Died``."""
        with self._lock:
            self._is_closed = True
            unfinished = tuple(self._unfinished)
        for job in unfinished:
            self._cancel(job)
        for _ in self._threads:
            self._queue.put(None)
        self._zygote.close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, function: Callable[[Any], Any], argument: object, limit_s: float) -> _Job:
        if not limit_s > 0:
            raise ConfigError(f"a wall limit must be positive, got {limit_s!r} seconds")
        if self._owner != os.getpid():
            raise ConfigError("a pool cannot be used in a fork of the process that made it: make another one")
        job = _Job(function, argument, limit_s)
        with self._lock:
            if self._is_closed:
                raise ConfigError("the pool is closed: make another one")
            self._unfinished.add(job)
            if len(self._threads) < min(self.workers, len(self._unfinished)):
                self._threads.append(threading.Thread(target=self._serve, name="abruzzi-pool", daemon=True))
                self._threads[-1].start()
        self._queue.put(job)
        return job

    def _cancel(self, job: _Job) -> bool:
        """Stop a job: True when it had not begun, False when it has ended or will within moments."""
        with self._lock:
            job.is_cancelled = True
            if job.worker is not None:
                with suppress(OSError):  # it may have died this moment
                    job.worker.sock.shutdown(socket.SHUT_RDWR)
        if not job.future.cancel():
            return False
        with self._lock:
            self._unfinished.discard(job)
        return True

    def _serve(self) -> None:
        """Keep one worker busy, and replace it when it ends."""
        worker: Worker | None = None
        while (job := self._queue.get()) is not None:
            if job.future.set_running_or_notify_cancel():
                try:
                    worker, ending = self._finish(job, worker)
                except Exception as error:  # noqa: BLE001  # recorded: whatever is wrong with us, nobody waits for ever
                    worker, ending = None, Died(f"the pool failed: {type(error).__name__}: {error}", 0.0)
                job.argument = None  # it may be large, and its ending may wait long to be fetched
                with self._lock:
                    self._unfinished.discard(job)
                job.future.set_result(ending)
        if worker is not None:
            worker.sock.close()

    def _finish(self, job: _Job, worker: Worker | None) -> tuple[Worker | None, Ending[Any]]:
        """Bring a job to its end; also gives the worker, if there is one left."""
        try:
            message = pickle.dumps((job.function, job.argument), protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001  # pickling raises what it likes; recorded as the job's ending
            return worker, Raised(f"{type(error).__name__}: {error}", 0.0)
        start = None
        while True:
            try:
                worker = worker or self._zygote.fork()
            except VerifierError as error:
                return None, Died(str(error), 0.0)
            start = start or time.monotonic()
            was_fresh = worker.is_fresh
            try:
                value, error = self._call(worker, job, message, start + job.limit_s)
            except TimeoutError:
                self._zygote.kill(worker)
                return None, TimedOut(job.limit_s, time.monotonic() - start)
            except (EOFError, OSError):
                reason = self._zygote.kill(worker)
                if job.is_cancelled or was_fresh:
                    return None, Died("cancelled" if job.is_cancelled else reason, time.monotonic() - start)
                worker = None
                continue
            seconds = time.monotonic() - start
            return worker, Returned(value, seconds) if error is None else Raised(error, seconds)

    def _call(self, worker: Worker, job: _Job, message: bytes, deadline: float) -> tuple[Any, str | None]:
        with self._lock:
            if job.is_cancelled:
                raise EOFError
            job.worker = worker
        try:
            return worker.call(message, deadline)
        finally:
            with self._lock:
                job.worker = None


class _Feed:
    """Hands items to a pool, never many more than it works at, and keeps the jobs in order for who fetches them."""

    def __init__(self, workers: int, progress: Callable[[int], None] | None) -> None:
        self.entries: SimpleQueue[_Job | Exception | None] = SimpleQueue()
        """The jobs; then None at the end, or what broke the items off."""
        self.ahead = threading.Semaphore(_MAX_AHEAD)
        self._room = threading.Semaphore(2 * workers)
        self._unfinished: set[_Job] = set()
        self._num_finished = 0
        self._progress = progress
        self._lock = threading.Lock()
        self._is_stopped = False

    def run(self, submit: Callable[[Any, float], _Job], items: Iterable[tuple[Any, float]]) -> None:
        """Submit every item, each as soon as there is room."""
        try:
            for item, limit_s in items:
                self.ahead.acquire()
                self._room.acquire()
                with self._lock:
                    if self._is_stopped:
                        return
                    job = submit(item, limit_s)
                    self._unfinished.add(job)
                self.entries.put(job)
                job.future.add_done_callback(partial(self._finish, job))
            self.entries.put(None)
        except Exception as error:  # noqa: BLE001  # raised again where the endings are fetched
            self.entries.put(error)

    def stop(self) -> tuple[_Job, ...]:
        """Submit no more; gives the jobs that are not finished."""
        with self._lock:
            self._is_stopped = True
            unfinished = tuple(self._unfinished)
        self.ahead.release()
        self._room.release()
        return unfinished

    def _finish(self, job: _Job, _: Future[Ending[Any]]) -> None:
        self._room.release()
        with self._lock:
            self._unfinished.discard(job)
            self._num_finished += 1
            if self._progress is not None and not self._is_stopped:
                self._progress(self._num_finished)


def ring_when_done(future: Future[Any]) -> anyio.Event:
    """Make an event for the running loop that is set when a future is done, in whichever thread that happens.

    A future that is done by now, or is cancelled later, calls back in the loop's own thread, which must not wait for
    itself there.
    """
    done = anyio.Event()
    future.add_done_callback(partial(_ring, done, lowlevel.current_token(), threading.get_ident()))
    return done


def _ring(done: anyio.Event, token: lowlevel.EventLoopToken, loop_thread: int, future: Future[Any]) -> None:
    if threading.get_ident() == loop_thread:
        done.set()
    elif not future.cancelled():
        from_thread.run_sync(done.set, token=token)
