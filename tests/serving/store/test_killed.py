"""Nothing that was acknowledged is lost when the server is killed, at whatever moment."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import anyio
import pytest

from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from tests.serving.store.making import ROWS, USAGE
from tests.serving.store.servers import PostgresServer


def keep_until_killed(url: str, name: str, seconds: float) -> list[str]:
    """Let a process keep records; kill it some seconds after its first; return what it acknowledged."""
    command = [sys.executable, "-m", "tests.serving.store.acknowledging", url, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    *whole, _ = (first + rest).decode().split("\n")
    return whole


def read_all(url: str) -> dict[str, QuestionRecord]:
    async def main() -> dict[str, QuestionRecord]:
        store = await open_store(StoreSettings(url=url), {})
        records = {record.id: record async for record in store.each()}
        await store.close()
        return records

    return anyio.run(main)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "q.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    server.run("DROP SCHEMA IF EXISTS abruzzi CASCADE")
    return server.url


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(url: str, rounds: int) -> None:
    draw = Random(11)
    acknowledged: list[str] = []
    for number in range(rounds):
        acknowledged += keep_until_killed(url, f"server{number}", draw.uniform(0.0, 0.4))
    records = read_all(url)
    assert len(set(acknowledged)) == len(acknowledged) >= rounds
    for id_ in acknowledged:
        record = records[id_]
        assert (record.status, record.answer, record.usage) == (Status.ANSWERED, id_, USAGE)
        assert record.events == tuple(ROWS)
