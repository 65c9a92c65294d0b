"""Asks a question of scripted models on virtual time, and gathers what happened."""

from dataclasses import dataclass, field
from itertools import chain, count

import anyio

from abruzzi.errors import AbruzziError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel
from abruzzi.models.scripted import ScriptedChat
from abruzzi.nouns import Answer
from abruzzi.reasoning.conversation import Conversation
from abruzzi.reasoning.events import Event
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings
from tests.models.virtual_time import run_virtual

PLAN = {"plan": "Add the tens.\nAdd the ones."}
FIRST = {"reasoning": "The first is right.", "verdict": "first"}
SECOND = {"reasoning": "The second is right.", "verdict": "second"}
TIE = {"reasoning": "I cannot tell.", "verdict": "tie"}


@dataclass(slots=True)
class Asked:
    """What became of one question."""

    run: Run
    events: list[Event] = field(default_factory=list[Event])
    result: Answer | None = None
    error: AbruzziError | None = None
    seconds: float = 0.0

    @property
    def answer(self) -> Answer:
        """The answer of a question that must have one."""
        assert self.result is not None, f"the question failed: {self.error!r}"
        return self.result


async def same(a: str, b: str) -> bool:
    """Agree on equal text only."""
    return a == b


def ask(
    solver: ChatModel,
    *,
    planner: ChatModel | None = None,
    judge: ChatModel | None = None,
    question: str = "What is 17 + 25?",
    settings: AskSettings | None = None,
    conversation: Conversation | None = None,
) -> Asked:
    """Ask on virtual time; errors are caught and kept. A conversation brings its own question."""
    if conversation is not None:
        question = conversation.question
    events: list[Event] = []
    roles = Roles(solver=solver, planner=planner or solver, judge=judge or solver)
    asked: list[Asked] = []

    async def main() -> None:
        ledger = Ledger(clock=anyio.current_time)
        run = Run(question, roles, settings or AskSettings(), same, events.append, ledger, conversation=conversation)
        entry = Asked(run, events)
        asked.append(entry)
        try:
            entry.result = await answer(run, make_mark=chain(["5ec2e7"], map(str, count())).__next__)
        except AbruzziError as error:
            entry.error = error
        entry.seconds = run.seconds

    run_virtual(main)
    return asked[0]


def scripted(**script: object) -> ScriptedChat:
    """Make a double from keyword roles: ``scripted(planner=[…], solver=[…])``."""
    from abruzzi.nouns import Role

    return ScriptedChat({Role(role): lines for role, lines in script.items()})  # pyright: ignore[reportArgumentType] -- tests script by keyword
