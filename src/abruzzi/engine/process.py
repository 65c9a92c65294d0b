"""Run the engine in a process of its own, and keep it running.

A supervising thread starts the child (``abruzzi.engine.worker``), waits for its word that it serves, and then watches
it. A child that leaves, or that has hung, is started again on the same port with the same key, after a pause that
grows, so that a client has only to try again. One that keeps leaving stays down, and ``Engine.failure`` says why.

The child ends with the parent, however that ends: it reads the end of its stdin, and on Linux the kernel kills it.
That service of the kernel is bound to the thread that started the child, one more reason for a thread of our own.
"""

import json
import logging
import os
import queue
import secrets
import threading
import time
from dataclasses import replace
from typing import Self

from abruzzi.engine import gguf, loopback
from abruzzi.engine.child import Child, Inbox, Left, Stop
from abruzzi.engine.log import EngineLog
from abruzzi.engine.settings import EngineSettings, Order
from abruzzi.errors import EngineError, EngineStartError, UnreachableError, WeightsError

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_PAUSE_GROWTH = 4


class Engine:
    """One model behind an OpenAI-compatible endpoint on loopback; a context manager.

    Starting takes seconds and blocks, so call it through ``anyio.to_thread.run_sync`` where an event loop runs. All
    methods may be called from any thread.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.api_key = secrets.token_urlsafe(32)
        self.num_restarts = 0
        self.failure: EngineError | None = None
        """Why it is down for good; None while it runs or is being started again."""
        self._root = ""
        self._max_context = 0
        self._log: EngineLog | None = None
        self._child: Child | None = None
        self._supervisor: threading.Thread | None = None
        self._inbox: Inbox = queue.Queue()
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where the endpoint is: ``http://127.0.0.1:PORT/v1``."""
        if not self._root:
            raise EngineError("the engine has not been started: call start() or use it in a with statement")
        return f"{self._root}/v1"

    @property
    def model(self) -> str:
        """The model's name in the protocol."""
        return self.settings.alias

    @property
    def max_context(self) -> int:
        """Tokens of prompt and completion together, per completion."""
        return self._max_context

    @property
    def adapter_ids(self) -> dict[str, int]:
        """Names of the LoRA adapters and their ids in requests."""
        return {adapter.name: number for number, adapter in enumerate(self.settings.adapters)}

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the child and wait until it serves.

        Raises:
            WeightsError: the model or an adapter is missing, cut short or of the wrong kind.
            EngineStartError: it did not come up: busy port, no memory, no answer in time.
            EngineError: it was started before.
        """
        if self._supervisor is not None:
            raise EngineError("an engine starts once: make another Engine")
        order = self._make_order()
        self._log = EngineLog(self.settings.log_path)
        self._supervisor = threading.Thread(
            target=self._supervise, args=(order, self._log), name="engine-supervisor", daemon=True
        )
        self._supervisor.start()
        try:
            self._started.wait()
        except BaseException:  # Ctrl-C while it loads
            self.stop()
            raise
        if self.failure is not None:
            self.stop()
            raise self.failure

    def stop(self) -> None:
        """End the child, by force if it does not leave in time; stopping twice does nothing."""
        with self._lock:
            self._stopping.set()
            child = self._child
        self._inbox.put(Stop())
        if child is not None:
            child.end()
        if self._supervisor is not None:
            self._supervisor.join()
        if self._log is not None:
            self._log.close()

    def log_tail(self, max_lines: int = 20) -> list[str]:
        """Return the last lines that the running child wrote to its log."""
        return [] if self._log is None else self._log.tail(max_lines)

    def _make_order(self) -> Order:
        """Check the files and say what the child is to serve."""
        wanted = self.settings
        model = gguf.inspect(wanted.model)
        if model.is_adapter:
            raise WeightsError(f"{model.path} is a LoRA adapter, not a model: pass it as an adapter of its base model")
        for adapter in wanted.adapters:
            if not gguf.inspect(adapter.path).is_adapter:
                raise WeightsError(f"{adapter.path} is not a LoRA adapter: convert it to a GGUF adapter first")
        return Order(
            model=str(wanted.model),
            slots=wanted.slots + wanted.spare_slots,
            context_tokens=min(wanted.context_tokens, model.context_length or wanted.context_tokens),
            threads=wanted.threads,
            adapters=tuple(str(adapter.path) for adapter in wanted.adapters),
            speculation=wanted.speculation,
            attention=wanted.attention,
            batch_tokens=wanted.batch_tokens,
            prompt_cache_mib=wanted.prompt_cache_mib,
            alias=wanted.alias,
            port=wanted.port,
            api_key=self.api_key,
            parent_pid=os.getpid(),
        )

    def _supervise(self, order: Order, log: EngineLog) -> None:
        """Start the child and replace it as often as the budget allows; the thread's whole life."""
        try:
            child = self._launch(order, log)
        except EngineStartError as error:
            self.failure = error
            return
        finally:
            self._started.set()
        order = replace(order, port=int(self._root.rpartition(":")[2]))
        starts: list[float] = []
        while reason := self._watch(child):
            child.kill()
            revived = self._revive(order, log, reason, starts)
            if revived is None:
                return
            child = revived

    def _launch(self, order: Order, log: EngineLog) -> Child:
        """Start a child and wait until it serves.

        Raises:
            EngineStartError: it does not; no child is left behind.
        """
        with self._lock:
            if self._stopping.is_set():
                raise EngineStartError("the engine was stopped while it started")
            try:
                child = self._child = Child(self.settings, order, log, self._inbox)
            except OSError as error:
                raise EngineStartError(f"cannot run {self.settings.command[0]!r} ({error})") from error
        try:
            root = child.await_url()
            self._max_context = self._ask_context(root)
        except BaseException:
            child.end()
            raise
        self._root = root
        return child

    def _ask_context(self, root: str) -> int:
        limit_s = self.settings.start_timeout_s
        try:
            body = loopback.get(root, "/props", api_key=self.api_key, timeout_s=limit_s).body
            return int(json.loads(body)["default_generation_settings"]["n_ctx"])
        except (UnreachableError, ValueError, KeyError, TypeError) as error:
            raise EngineStartError(f"the engine started, but does not answer as llama.cpp does ({error!r})") from error

    def _watch(self, child: Child) -> str:
        """Wait until the child is to be replaced.

        Returns:
            Why; empty when the engine is being stopped.
        """
        while True:
            try:
                message = self._inbox.get(timeout=self.settings.health_interval_s)
            except queue.Empty:
                if self._answers() or self._stopping.is_set():
                    continue
                return f"it did not answer for {self.settings.hang_timeout_s:g} s"
            if isinstance(message, Stop) or self._stopping.is_set():
                return ""
            if isinstance(message, Left) and message.child is child:
                return f"it left ({child.ending})"

    def _answers(self) -> bool:
        """Ask something that only a running decode loop answers, and answers even while it decodes."""
        try:
            loopback.get(self._root, "/slots", api_key=self.api_key, timeout_s=self.settings.hang_timeout_s)
        except UnreachableError:
            return False
        return True

    def _revive(self, order: Order, log: EngineLog, reason: str, starts: list[float]) -> Child | None:
        """Start a new child; None when the budget of restarts is spent or the engine is being stopped."""
        window_s = self.settings.restart_window_s
        while True:
            starts[:] = [start for start in starts if time.monotonic() - start < window_s]
            if len(starts) >= self.settings.max_restarts:
                last_words = " | ".join(log.tail(3)) or "none"
                self.failure = EngineError(
                    f"the engine is down after {len(starts)} restarts within {window_s:g} s: {reason}; its last words: "
                    f"{last_words}; report this as a bug, or use an endpoint instead"
                )
                logger.error("%s", self.failure)
                return None
            logger.warning("the engine is started again: %s", reason)
            if self._stopping.wait(_FIRST_PAUSE_S * _PAUSE_GROWTH ** len(starts)):
                return None
            starts.append(time.monotonic())
            self.num_restarts += 1
            try:
                return self._launch(order, log)
            except EngineStartError as error:
                reason = str(error)
                if self._stopping.is_set():
                    return None
