import tempfile
import time
from pathlib import Path

import pytest

from abruzzi.nouns import Verdict
from abruzzi.verifiers import verify_both
from tests.verifiers.hostile import Hostile, all_hostile

LIMIT_S = 5.0
HOSTILE = all_hostile()


@pytest.fixture(scope="module")
def verdicts() -> dict[str, tuple[Verdict, Verdict]]:
    """Both modes' verdicts on every hostile input, from one batch, and nothing else left of it."""
    before = set(Path(tempfile.gettempdir()).iterdir()), set(Path.cwd().iterdir())
    start = time.monotonic()
    both = list(verify_both((hostile.row for hostile in HOSTILE), workers=2, timeout_s=LIMIT_S))
    seconds = time.monotonic() - start
    assert seconds < 120
    new = {path for path in Path(tempfile.gettempdir()).iterdir() if not path.name.startswith(("abruzzi-", "pytest-"))}
    assert new <= before[0]
    assert set(Path.cwd().iterdir()) <= before[1]
    return {hostile.name: pair for hostile, pair in zip(HOSTILE, both, strict=True)}


def test_there_are_many_and_each_has_its_name() -> None:
    assert len(HOSTILE) >= 60
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_none_passes_wrongly(hostile: Hostile, verdicts: dict[str, tuple[Verdict, Verdict]]) -> None:
    fixed, _ = verdicts[hostile.name]
    assert fixed.outcome in hostile.sound, fixed
    assert 0 <= fixed.score <= 1
    assert len(fixed.reason) < 3000
