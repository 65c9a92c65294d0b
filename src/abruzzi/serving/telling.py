"""Brings pieces to the client: what the narrator says, as far as the guard lets it through, and the answer at the end.

With a listener, pieces go out as they come, each channel through a window of the guard. Without one they are gathered,
and the guard sees them whole.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

from abruzzi.ledger import Ledger
from abruzzi.nouns import ToolCall
from abruzzi.reasoning.events import Event
from abruzzi.serving.asked import Asked
from abruzzi.serving.guard.guard import Guard, Window
from abruzzi.serving.narration import Channel, Narrator, Piece
from abruzzi.serving.reply import Choice

Tell = Callable[[Piece], Awaitable[None]]

_WORD = re.compile(r"\s*\S+\s*|\s+")
"""What a finished answer is streamed in: a word with the space around it."""


@dataclass(slots=True)
class Teller:
    """Tells one client what happens to its question."""

    asked: Asked
    guard: Guard | None
    ledger: Ledger
    """Gets the calls of the guard's model."""
    tell: Tell | None
    _narrator: Narrator = field(init=False)
    _windows: dict[tuple[Channel, int], Window] = field(default_factory=dict[tuple[Channel, int], Window])
    _thoughts: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """Gathered for a client that is told all at once."""
    _told: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """The content that went out, by choice."""

    def __post_init__(self) -> None:
        is_upstream = self.asked.offer.is_upstream
        self._narrator = Narrator(
            is_live=self.tell is not None and (is_upstream or self.asked.is_live), is_upstream=is_upstream
        )

    async def hear(self, event: Event) -> None:
        """Take an event in.

        Raises:
            Refusal: the guard ends the stream, or what was told can no longer be true.
        """
        await self._pass_on(self._narrator.hear(event))

    async def finish(self, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        """Say what the client is given in the end; nothing more is told yet.

        Raises:
            Refusal: the guard withholds it.
        """
        for (channel, index), window in self._windows.items():
            await self._send(Piece(channel, await window.close(), index))
        return tuple([await self._finish_choice(choice) for choice in choices])

    async def tell_rest(self, choices: tuple[Choice, ...]) -> None:
        """Tell the content that has not gone out while it was written."""
        for choice in choices:
            if self.tell is not None and choice.index not in self._told:
                for word in _WORD.findall(choice.content):
                    await self._send(Piece("content", word, choice.index))

    async def _finish_choice(self, choice: Choice) -> Choice:
        calls = await self._check_calls(choice.tool_calls)
        if self.tell is not None:
            told = self._told.get(choice.index)
            content = "".join(told) if told is not None else await self._check_answer(choice.content)
            return replace(choice, content=content, tool_calls=calls)
        reasoning = "".join(self._thoughts.get(choice.index, ())) + choice.reasoning
        if self.guard is not None and reasoning:
            messages = self.asked.conversation.messages
            reasoning = await self.guard.check_reasoning(reasoning, messages=messages, ledger=self.ledger)
        content = await self._check_answer(choice.content)
        return replace(choice, content=content, reasoning=reasoning, tool_calls=calls)

    async def _check_answer(self, text: str) -> str:
        if self.guard is None or not text:
            return text
        return await self.guard.check_answer(text, messages=self.asked.conversation.messages, ledger=self.ledger)

    async def _check_calls(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Arguments of tools leave the server too."""
        return tuple([replace(call, arguments=await self._check_answer(call.arguments)) for call in calls])

    async def _pass_on(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if self.tell is None:
                self._thoughts.setdefault(piece.index, []).append(piece.text)
            elif self.guard is None:
                await self._send(piece)
            else:
                window = self._window(self.guard, piece.channel, piece.index)
                await self._send(replace(piece, text=await window.push(piece.text)))

    def _window(self, guard: Guard, channel: Channel, index: int) -> Window:
        """Find the window of a channel."""
        if (channel, index) not in self._windows:
            self._windows[channel, index] = guard.window(
                "answer" if channel == "content" else "reasoning",
                messages=self.asked.conversation.messages,
                ledger=self.ledger,
            )
        return self._windows[channel, index]

    async def _send(self, piece: Piece) -> None:
        if piece.channel == "content":
            self._told.setdefault(piece.index, [])
        if self.tell is None or not piece.text:
            return
        if piece.channel == "content":
            self._told[piece.index].append(piece.text)
        await self.tell(piece)
