"""What a record is to the guard when it is read again."""

from typing import Any

from abruzzi.serving.question_record import QuestionRecord
from abruzzi.serving.reading import read_messages


def record(*messages: dict[str, Any], **settings: Any) -> QuestionRecord:
    return QuestionRecord("resp_1", "ann", 0.0, "abruzzi", "Hi", messages, settings)


def test_the_clients_own_instructions_are_told_apart() -> None:
    read = read_messages(
        record(
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]},
            {"role": "assistant", "content": None},
            instructions="Be kind.",
        )
    )
    assert [(message.role, message.content) for message in read] == [
        ("system", "Be kind."),
        ("system", "Be brief."),
        ("user", "Hi there"),
        ("user", ""),
    ]
    assert read_messages(record()) == []
