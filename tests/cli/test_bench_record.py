"""A record says when, where and at which commit figures were made."""

import re
import subprocess
from pathlib import Path

from abruzzi.cli.bench_record import describe_machine, describe_run, read_commit, write_line

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")


def test_a_commit_is_read_and_changes_are_told(tmp_path: Path) -> None:
    assert read_commit(tmp_path) == ""
    for arguments in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "x")):
        subprocess.run([*GIT, *arguments], cwd=tmp_path, check=True)
    commit = read_commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "new.py").write_text("")
    assert read_commit(tmp_path) == f"{commit}+changes"


def test_a_machine_is_named_by_its_processor(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Abacus 3000\nprocessor\t: 1\nmodel name\t: Abacus 3000\n")
    assert describe_machine(cpuinfo).startswith("Abacus 3000, ")
    assert "cores" in describe_machine(tmp_path / "none")


def test_a_record_holds_what_a_figure_needs() -> None:
    record = describe_run("abruzzi bench all")
    assert set(record) == {"command", "date", "commit", "machine", "load", "python", "xllamacpp"}
    line = write_line({**record, "commit": "0123456789+changes"})
    assert line.startswith("abruzzi bench all · commit 0123456+changes · ")
    assert "commit unknown" in write_line({**record, "commit": ""})
