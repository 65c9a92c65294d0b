"""Brings the n choices of one request in: one upstream call where the endpoint honours ``n``, more where it does not.

What one call leaves open goes on in further calls: choices that a server did not give are asked for anew, side by
side; choices that a broken stream left unfinished are tried again, and only those; a request field that the
endpoint turns down is left out from then on. What was learnt on the way is remembered for the next request.
"""

import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup

from abruzzi.errors import ContextLengthError, EndpointError, ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.board import Board
from abruzzi.models.chat import ChatRequest, Emit
from abruzzi.models.endpoints import Endpoints, Facts
from abruzzi.models.retry import RetryPolicy, choose_wait
from abruzzi.models.upstream import Link, Order, make_call
from abruzzi.models.wire import find_refused_field, write_body
from abruzzi.nouns import Completion

REFUSALS = frozenset({400, 422})
_ABOUT_N = re.compile(r"(?<![\w-])n(?![\w-])|completion choice|number of (choices|completions)", re.IGNORECASE)
_N_LIMIT = re.compile(r"(?:<=|at most|less than or equal to|up to)\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Habits:
    """How a client samples, whatever it is asked."""

    link: Link
    endpoints: Endpoints
    policy: RetryPolicy
    rng: random.Random
    sleep: Callable[[float], Awaitable[None]]
    server: str
    """What software the endpoint is, where known."""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Sent with every request: the adapter that it runs under."""

    @property
    def facts(self) -> Facts:
        """What is known of the endpoint by now."""
        return self.endpoints.get(self.link.site.base_url, self.link.site.model)

    def learn(self, **findings: Any) -> None:
        """Note what was found out."""
        self.endpoints.learn(self.link.site.base_url, self.link.site.model, **findings)


async def sample(
    habits: Habits,
    request: ChatRequest,
    *,
    ledger: Ledger,
    emit: Emit,
    extra: Mapping[str, Any] | None = None,
    is_probe: bool = False,
) -> tuple[Completion, ...]:
    """Complete a request without looking at its schema.

    Args:
        habits: of the client.
        request: what is asked.
        ledger: gets a row per upstream call.
        emit: told of each piece and each end.
        extra: further request fields: the constraint of a schema.
        is_probe: bring in only what the first call gives; the rest fails.

    Returns:
        One completion for each choice, in order; failed ones are values.

    Raises:
        ModelError: no choice could be started.
    """
    board = Board(request.n, emit, ledger.clock)
    max_n = habits.facts.max_n or request.n
    async with anyio.create_task_group() as group:
        sampling = _Sampling(
            habits=habits,
            request=request,
            ledger=ledger,
            board=board,
            extra=extra or {},
            group=group,
            deadline=anyio.current_time() + request.timeouts.total_s,
            is_probe=is_probe,
        )
        for start in range(0, request.n, max_n):
            group.start_soon(sampling.bring, tuple(range(start, min(start + max_n, request.n))))
    return board.result()


@dataclass(slots=True)
class _Sampling:
    """One request on its way."""

    habits: Habits
    request: ChatRequest
    ledger: Ledger
    board: Board
    extra: Mapping[str, Any]
    group: TaskGroup
    deadline: float
    is_probe: bool

    async def bring(self, indices: tuple[int, ...]) -> None:
        """Bring in some choices, at first with one call."""
        attempt, tries, waited_s = 0, 0, 0.0
        while indices:
            attempt, tries = attempt + 1, tries + 1
            body = self._write_body(indices)
            try:
                given = await self._call(indices, body, attempt)
            except ModelError as error:
                indices = tuple(self.board.unfinished(indices))
                if self._drop_field(body, error):
                    tries -= 1
                    continue
                if len(indices) > 1 and self._is_about_n(error):
                    self._go_on(indices, self._learn_limit(error), error)
                    return
                wait_s = choose_wait(self.habits.policy, error, tries=tries, waited_s=waited_s, rng=self.habits.rng)
                if wait_s is None or anyio.current_time() + wait_s >= self.deadline:
                    for index in indices:
                        self.board.fail(index, error)
                    return
                for index in indices:
                    self.board.restart(index, f"{error}; try {tries + 1} of {self.habits.policy.max_tries}")
                await self.habits.sleep(wait_s)
                waited_s += wait_s
            else:
                missing = tuple(index for index in indices if index not in given)
                if missing:
                    self.habits.learn(max_n=len(given))
                    shortfall = EndpointError(f"the endpoint gave {len(given)} of {len(indices)} choices")
                    self._go_on(missing, len(given), shortfall)
                return

    def _write_body(self, indices: tuple[int, ...]) -> dict[str, Any]:
        body = write_body(
            self.request,
            self.habits.link.site.model,
            len(indices),
            facts=self.habits.facts,
            server=self.habits.server,
            extra={**self.habits.fields, **self.extra},
        )
        if "seed" in body:
            # One seed for all would make choices that are asked for singly the same.
            body["seed"] += indices[0]
        return body

    async def _call(self, indices: tuple[int, ...], body: Mapping[str, Any], attempt: int) -> set[int]:
        order = Order(self.request.role, body, indices, attempt, self.request.timeouts, self.deadline)
        return await make_call(self.habits.link, order, self.board, self.ledger)

    def _drop_field(self, body: Mapping[str, Any], error: ModelError) -> bool:
        """Learn which optional field the endpoint does not take; False when the error is about something else."""
        if not is_refusal(error):
            return False
        field = find_refused_field(body, str(error))
        if field is None:
            return False
        self.habits.learn(refused=self.habits.facts.refused | {field})
        return True

    def _is_about_n(self, error: ModelError) -> bool:
        return is_refusal(error) and _ABOUT_N.search(str(error)) is not None

    def _learn_limit(self, error: ModelError) -> int:
        """Remember how many choices a request may ask for, and return it."""
        found = _N_LIMIT.search(str(error))
        limit = max(1, int(found[1])) if found else 1
        # vLLM gives several choices, but not at temperature 0, where they would all be the same.
        if "greedy" not in str(error):
            self.habits.learn(max_n=limit)
        return limit

    def _go_on(self, indices: tuple[int, ...], size: int, error: ModelError) -> None:
        """Ask for choices with further calls, side by side, so many with each; a probe asks for the first only."""
        for index in indices:
            if self.is_probe and index > 0:
                self.board.fail(index, error)
        left = indices[: indices[0] == 0] if self.is_probe else indices
        for start in range(0, len(left), size):
            self.group.start_soon(self.bring, left[start : start + size])


def is_refusal(error: ModelError) -> bool:
    """True when the endpoint turned the request itself down, for something other than its length."""
    return isinstance(error, EndpointError) and error.status in REFUSALS and not isinstance(error, ContextLengthError)
