"""``abruzzi store`` in a process of its own."""

from pathlib import Path

import anyio
import pytest

from abruzzi.data.examples import read_examples
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from tests.cli.running import run
from tests.serving.store.making import keep, make_record


@pytest.fixture
def home(tmp_path: Path) -> Path:
    async def main() -> None:
        store = await open_store(StoreSettings(), {"ABRUZZI_HOME": str(tmp_path)})
        await keep(store, make_record("q1", question="What is [bold]40 + 2[/bold]?"))
        await keep(store, make_record("q2", owner="bob", asked_at=2000.0, question="Who was Euler?"))
        await store.close()

    anyio.run(main)
    return tmp_path


def test_records_are_listed_exported_and_deleted(home: Path) -> None:
    listed = run(home, "store", "list", "euler")
    assert listed.code == 0
    assert "q2" in listed.out
    assert "q1" not in listed.out
    assert "[bold]40 + 2[/bold]" in run(home, "store", "list").out
    out = home / "lessons.jsonl"
    exported = run(home, "store", "export", str(out), "--as", "examples", "--owner", "bob")
    assert (exported.code, exported.out) == (0, f"{out}: 1 examples, 0 records left out\n")
    assert [example.id for example in read_examples(out)] == ["q2"]
    asked = run(home, "store", "delete", "--owner", "bob", stdin="n\n")
    assert asked.code != 0
    deleted = run(home, "store", "delete", "--owner", "bob", "--yes")
    assert (deleted.code, deleted.out) == (0, "deleted 1 records\n")
    assert b"Euler" not in (home / "questions.db").read_bytes()
    missing = run(home, "store", "delete", "q2", "--yes")
    assert (missing.code, missing.out) == (2, "")
    assert "no record 'q2'" in missing.err


def test_old_records_expire_as_the_options_or_the_settings_say(home: Path) -> None:
    silent = run(home, "store", "expire")
    assert silent.code == 2
    assert "--days or --keep" in silent.err
    assert run(home, "store", "expire", "--keep", "1").out == "deleted 1 records\n"
    (home / "own.toml").write_text("[serve]\nport = 8000\n[serve.store]\nmax_age_days = 30\n")
    assert run(home, "store", "expire", "--config", str(home / "own.toml")).out == "deleted 1 records\n"


def test_mistakes_are_one_line(home: Path) -> None:
    for arguments, message in (
        (["delete"], "name one record, or --owner"),
        (["list", "--store", "redis://x"], "of no known kind"),
        (["list", "--store", str(home)], "cannot open the store"),
    ):
        done = run(home, "store", *arguments)
        assert done.code
        assert message in done.err
        assert "Traceback" not in done.err
