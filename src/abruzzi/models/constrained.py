"""Holds replies to a schema: finds out how an endpoint can be made to, checks each reply, and asks again.

Finding out takes one short probe at an endpoint that constrains as OpenAI does, and up to four at one that does not;
the finding is remembered. It is forgotten again when the endpoint turns the constraint down after all, or when a reply
that should have been held to a schema is not even JSON.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from abruzzi.errors import ModelError, StructureError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatEvent, ChatRequest, Emit, Ended, Restarted, Schema, ignore
from abruzzi.models.endpoints import Dialect
from abruzzi.models.sampling import Habits, is_refusal, sample
from abruzzi.models.structured import (
    ANY_OBJECT,
    MAX_RETRIES,
    PROBED,
    ask_again,
    constrain,
    is_object,
    is_proof,
    probe_request,
    probe_schema,
    read_json,
    tell_schema,
)
from abruzzi.nouns import Completion, FinishReason


class Constrainer:
    """Completes requests that have a schema, for one client."""

    def __init__(self, dialect: Dialect | None = None) -> None:
        """Set it up.

        Args:
            dialect: how the endpoint constrains, where that is known beforehand; None finds out.
        """
        self._dialect = dialect
        """Known for the life of this client only: told, or taken on trust from a probe that was cut short."""
        self._lock = anyio.Lock()

    async def complete(
        self, habits: Habits, request: ChatRequest, schema: Schema, *, ledger: Ledger, emit: Emit
    ) -> tuple[Completion, ...]:
        """Complete a request whose replies must fit a schema.

        Args:
            habits: of the client.
            request: what is asked.
            schema: what each reply must fit.
            ledger: gets a row per upstream call, the probes included.
            emit: told of each piece and each end.

        Returns:
            One completion for each choice. A fitting one holds its JSON and nothing else. One that never fitted is an
            error that keeps its text. One cut at its token limit is handed over as it is: another would be cut as well.

        Raises:
            ModelError: no choice could be started.
        """
        known = self._dialect or habits.facts.dialect
        if known is not None:
            asking = _Asking(habits, request, schema, known, ledger, emit)
            try:
                completions = await asking.complete()
            except ModelError as error:
                if not is_refusal(error) or not asking.extra:
                    raise
                self._forget(habits)
            else:
                if known.is_firm and asking.has_seen_prose:
                    self._forget(habits)
                return completions
        found = await self._find_dialect(habits, ledger)
        return await _Asking(habits, request, schema, found, ledger, emit).complete()

    async def complete_object(
        self, habits: Habits, request: ChatRequest, *, ledger: Ledger, emit: Emit
    ) -> tuple[Completion, ...]:
        """Complete a request whose replies must be some JSON object; see ``complete``.

        There is no dialect to find out: every server either knows ``json_object`` or turns it down.

        Raises:
            ModelError: no choice could be started.
        """
        try:
            return await _Asking(habits, request, ANY_OBJECT, Dialect.JSON_OBJECT, ledger, emit).complete()
        except ModelError as error:
            if not is_refusal(error):
                raise
        return await _Asking(habits, request, ANY_OBJECT, Dialect.PROMPT, ledger, emit).complete()

    async def _find_dialect(self, habits: Habits, ledger: Ledger) -> Dialect:
        """Find out how the endpoint constrains; whoever else asks meanwhile waits for the answer."""
        async with self._lock:
            known = self._dialect or habits.facts.dialect
            if known is not None:
                return known
            for dialect in PROBED:
                is_firm, is_cut = await self._probe(habits, dialect, ledger)
                if is_cut:
                    self._dialect = dialect
                    return dialect
                if is_firm:
                    habits.learn(dialect=dialect)
                    return dialect
            habits.learn(dialect=Dialect.PROMPT)
            return Dialect.PROMPT

    async def _probe(self, habits: Habits, dialect: Dialect, ledger: Ledger) -> tuple[bool, bool]:
        """Try one dialect; tell whether it holds, and whether the reply was cut before it could show."""
        schema = probe_schema(f"{habits.rng.getrandbits(40):010x}")
        knows_n = habits.facts.max_n is not None
        request = probe_request(schema, 1 if knows_n else 2)
        try:
            completions = await sample(
                habits, request, ledger=ledger, emit=ignore, extra=constrain(dialect, schema), is_probe=True
            )
        except ModelError as error:
            if is_refusal(error):
                return False, False
            raise
        first = completions[0]
        if first.finish_reason is FinishReason.ERROR:
            raise ModelError(first.error or "the probe of the endpoint failed")
        is_cut = first.finish_reason is FinishReason.LENGTH and not first.text.strip()
        return is_proof(dialect, first.text, schema), is_cut

    def _forget(self, habits: Habits) -> None:
        self._dialect = None
        habits.learn(dialect=None)


def check_reply(completion: Completion, schema: Schema) -> tuple[Completion, str]:
    """Check a reply that ended by itself; return it as its bare JSON, or with what is wrong with it.

    A call of a tool is no such reply: its arguments follow the tool's schema.
    """
    if completion.finish_reason is not FinishReason.STOP:
        return completion, ""
    try:
        return replace(completion, text=read_json(completion.text, schema)), ""
    except StructureError as error:
        return completion, str(error)


@dataclass(slots=True)
class _Asking:
    """One request with a schema on its way."""

    habits: Habits
    request: ChatRequest
    schema: Schema
    dialect: Dialect
    ledger: Ledger
    emit: Emit
    has_seen_prose: bool = False
    """True once a reply was not JSON at all."""
    faulty: dict[int, tuple[Completion, str]] = field(default_factory=dict[int, tuple[Completion, str]])
    done: dict[int, Completion] = field(default_factory=dict[int, Completion])

    @property
    def extra(self) -> dict[str, Any]:
        """The request fields that constrain; empty where the prompt alone must do."""
        return constrain(self.dialect, self.schema)

    async def complete(self) -> tuple[Completion, ...]:
        """Ask, check, and ask again."""
        request = self.request
        if not self.dialect.is_firm:
            request = replace(request, messages=tell_schema(request.messages, self.schema))
        await sample(self.habits, request, ledger=self.ledger, emit=self._check, extra=self.extra)
        async with anyio.create_task_group() as group:
            for completion, fault in self.faulty.values():
                group.start_soon(self._mend, completion, fault)
        return tuple(completion for _, completion in sorted(self.done.items()))

    def _check(self, event: ChatEvent) -> None:
        """Pass events on, but an end only once its reply is found to fit."""
        if not isinstance(event, Ended):
            self.emit(event)
            return
        completion, fault = check_reply(event.completion, self.schema)
        if not fault:
            self._end(completion)
            return
        self.faulty[completion.index] = (completion, fault)
        self.has_seen_prose = self.has_seen_prose or not is_object(completion.text)

    def _end(self, completion: Completion) -> None:
        self.done[completion.index] = completion
        self.emit(Ended(completion))

    async def _mend(self, completion: Completion, fault: str) -> None:
        """Ask for one choice again, telling what was wrong with it."""
        index, seconds = completion.index, completion.seconds
        forward = _forward(index, self.emit)
        for retry in range(1, MAX_RETRIES + 1):
            self.emit(Restarted(index, f"{fault}; retry {retry} of {MAX_RETRIES}"))
            messages = ask_again(self.request.messages, self.schema, completion.text, fault)
            again = replace(self.request, n=1, messages=messages)
            try:
                (reply,) = await sample(self.habits, again, ledger=self.ledger, emit=forward, extra=self.extra)
            except ModelError as error:
                fault = str(error)
                break
            seconds += reply.seconds
            completion, fault = check_reply(replace(reply, index=index, seconds=seconds), self.schema)
            if not fault:
                self._end(completion)
                return
        else:
            fault = f"no reply in {1 + MAX_RETRIES} tries could be used; of the last: {fault}"
        self._end(replace(completion, finish_reason=FinishReason.ERROR, error=fault))


def _forward(index: int, emit: Emit) -> Callable[[ChatEvent], None]:
    """Pass the pieces of a single choice on under its index in the request, but not its end."""

    def forward(event: ChatEvent) -> None:
        if not isinstance(event, Ended):
            emit(replace(event, index=index))

    return forward
