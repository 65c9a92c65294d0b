"""Records for tests."""

from typing import Any

from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.store import Store

ROWS: list[dict[str, Any]] = [
    {"event": "plan_started", "at_s": 0.0, "model": "m"},
    {"event": "warned", "at_s": 0.5, "message": "ünïcode \ud800, a NUL \x00 and\nlines"},
]
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def make_record(
    id: str,  # noqa: A002
    *,
    owner: str = "ann",
    asked_at: float = 1000.0,
    question: str = "What is 40 + 2?",
) -> QuestionRecord:
    return QuestionRecord(
        id=id,
        owner=owner,
        asked_at=asked_at,
        model="abruzzi",
        question=question,
        messages=({"role": "user", "content": question},),
        settings={"n": 3},
    )


async def keep(store: Store, record: QuestionRecord, answer: str = "It is 42.") -> None:
    """Keep a whole record."""
    await store.begin(record)
    await store.append(record.id, ROWS)
    await store.end(record.id, status=Status.ANSWERED, answer=answer, usage=USAGE, seconds=1.5)
