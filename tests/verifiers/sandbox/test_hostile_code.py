"""A hundred programs that try everything but to solve their task, behind both walls."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from abruzzi.nouns import Outcome
from abruzzi.verifiers.code import compare_outputs, verify_code
from abruzzi.verifiers.published.code import score_code
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits, Run, Trial, WallName, close_all, run_program, run_tests
from abruzzi.verifiers.sandbox.probe import open_sandbox
from abruzzi.verifiers.sandbox.sandbox import Sandbox
from tests.verifiers.hostile_code import read_hostile
from tests.verifiers.sandbox.walls import TIGHT, WALLS, need, need_any, sandbox_processes

TESTS = """
def check(candidate):
    assert candidate(1, 2) == 3
    assert abs(candidate(20_000, 23_962) - 0xABBA) < 1e-9
    assert [candidate(n, n) for n in range(3)] == [0, 2, 4]

check(add)
"""
EXPECTED = "43962\n"
QUICK = replace(TIGHT, wall_s=0.2)
PASS_THE_PUBLIC_REWARD = {
    "exit on import",
    "quit on import",
    "hard exit on import",
    "exit in the function",
    "hard exit in the function",
    "exit in a thread",
    "exit at exit",
    "exit by signal handler",
    "a proxy of everything",
}
ATTEMPTS, BOMBS = read_hostile("attempt"), read_hostile("bomb")


@dataclass(frozen=True)
class Arena:
    """Two sandboxes behind one wall, and what was there before."""

    solutions: Sandbox
    testers: Sandbox
    processes: set[int]

    def test(self, source: str, limits: Limits = TIGHT) -> Trial:
        return run_tests(self.solutions, self.testers, source=source, tests=TESTS, limits=limits)

    def run(self, source: str, limits: Limits = TIGHT) -> Run:
        return run_program(self.solutions, source, stdin=b"20000 23962", limits=limits)

    def check_clean(self) -> None:
        for sandbox in (self.solutions, self.testers):
            assert not sandbox.is_broken
            folder = Path(sandbox.folder)
            assert sandbox.wall is WallName.BUBBLEWRAP or not [*folder.iterdir()]
        assert sandbox_processes() == self.processes


@pytest.fixture(scope="module", params=WALLS)
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    wall: WallName = request.param
    need(wall)
    before = sandbox_processes()
    sandboxes = open_sandbox(wall, None), open_sandbox(wall, None)
    yield Arena(*sandboxes, sandbox_processes())
    for sandbox in sandboxes:
        sandbox.close()
    assert sandbox_processes() == before, "a sandbox left a process behind"
    assert wall is WallName.BUBBLEWRAP or not any(Path(sandbox.folder).exists() for sandbox in sandboxes)


@pytest.fixture(scope="module")
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user that nobody must touch."""
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        yield process
        process.kill()


def is_right(run: Run) -> bool:
    return run.is_success and not compare_outputs(run.output.decode("utf-8", "replace"), EXPECTED)


@pytest.mark.parametrize("name", ATTEMPTS | BOMBS)
def test_each_hostile_program_is_python(name: str) -> None:
    source = (ATTEMPTS | BOMBS)[name]
    if name == "deep source":
        source = source.partition("\n")[0]
    compile(source, name, "exec")


def test_the_tests_can_be_passed(arena: Arena) -> None:
    source = "def add(a, b): return a + b\nif __name__ == '__main__': print(add(*map(int, input().split())))"
    assert arena.test(source).passed
    assert is_right(arena.run(source))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_attempt_passes_or_leaves_anything(arena: Arena, bystander: subprocess.Popen[bytes], name: str) -> None:
    start = time.monotonic()
    assert not arena.test(ATTEMPTS[name]).passed
    assert not is_right(arena.run(ATTEMPTS[name]))
    assert time.monotonic() - start < 6
    arena.check_clean()
    assert bystander.poll() is None
    assert not Path("/tmp/abruzzi-hostile-was-here").exists()
    assert not Path("/dev/shm/abruzzi-hostile-was-here").exists()


@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_outlives_its_limit(arena: Arena, name: str) -> None:
    start = time.monotonic()
    assert not arena.test(BOMBS[name], QUICK).passed
    assert time.monotonic() - start < 6
    arena.check_clean()


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_every_bomb_ends_by_its_own_limit(arena: Arena, name: str) -> None:
    assert not arena.test(BOMBS[name]).passed
    assert not is_right(arena.run(BOMBS[name]))
    arena.check_clean()


@pytest.mark.slow
def test_nine_of_them_pass_the_public_reward_and_none_ours() -> None:
    need_any()
    truth = json.dumps({"functional": TESTS})
    rows = [Row(name, "codegen__x", f"```python\n{source}\n```", truth) for name, source in ATTEMPTS.items()]
    passing = {row.id for row in rows if score_code(row)}
    ours = [row.id for row in rows if verify_code(row).outcome is Outcome.CORRECT]
    close_all()
    assert (passing, ours) == (PASS_THE_PUBLIC_REWARD, [])
