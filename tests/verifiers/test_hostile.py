import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abruzzi.nouns import Outcome, Verdict
from tests.verifiers.hostile import Hostile, all_hostile

ROOT = Path(__file__).parents[2]
LIMIT_S = 3.0
HOSTILE = all_hostile()
Verdicts = dict[str, tuple[Verdict, Verdict]]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Both modes' verdicts on every hostile input: one batch, in a process, a folder and a TMPDIR of its own."""
    home = tmp_path_factory.mktemp("hostile")
    temporary, working, out = home / "tmp", home / "cwd", home / "out"
    temporary.mkdir()
    working.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    command = [sys.executable, "-m", "tests.verifiers.hostile", str(out), str(LIMIT_S)]
    done = subprocess.run(
        command, cwd=working, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    seconds = time.monotonic() - start
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    both: list[tuple[Verdict, Verdict]] = pickle.loads(out.read_bytes())
    num_hangs = sum(verdict.outcome is Outcome.TIMEOUT for pair in both for verdict in pair)
    assert seconds < num_hangs * LIMIT_S / 2 + 60
    assert list(temporary.iterdir()) == []
    assert list(working.iterdir()) == []
    assert processes_with(f"TMPDIR={temporary}") == []
    return {hostile.name: pair for hostile, pair in zip(HOSTILE, both, strict=True)}


def processes_with(variable: str) -> list[str]:
    """Find the processes whose environment begins with this, whoever started them."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_there_are_many_and_each_has_its_name() -> None:
    assert len(HOSTILE) >= 60
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_none_passes_wrongly(hostile: Hostile, verdicts: Verdicts) -> None:
    fixed, _ = verdicts[hostile.name]
    assert fixed.outcome in hostile.sound, fixed
    assert 0 <= fixed.score <= 1
    assert len(fixed.reason) < 3000
    assert fixed.outcome is Outcome.TIMEOUT or fixed.seconds < LIMIT_S


def test_published_mode_survives_them_too(verdicts: Verdicts) -> None:
    for _, published in verdicts.values():
        assert published.outcome in (Outcome.CORRECT, Outcome.WRONG, Outcome.TIMEOUT, Outcome.ERROR)
        assert -1 <= published.score <= 1
