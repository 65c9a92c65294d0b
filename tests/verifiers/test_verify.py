import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import abruzzi.verifiers
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers import (
    Malformed,
    Mode,
    Row,
    check_many,
    verify,
    verify_async,
    verify_both,
    verify_many,
)

MATHS = "math__merged_deduped_dapo_or1_dataset"
ENDLESS = "```python\nwhile True: pass\n```"
TESTS = '{"inputs": ["1"], "outputs": ["2"]}'
NO_SETTINGS: list[dict[str, object]] = [{}]


def row(response: str, truth: object = "42", source: str = MATHS) -> Row:
    return Row("r", source, response, truth)


def outcome_and_score(verdict: Verdict) -> tuple[Outcome, float]:
    return verdict.outcome, verdict.score


def test_says_what_was_judged_and_why() -> None:
    verdict = verify("<think>6 times 7</think>It is \\boxed{42}.", "42", data_source=MATHS)
    assert outcome_and_score(verdict) == (Outcome.CORRECT, 1.0)
    assert verdict.extracted == "42"
    assert verdict.reason
    assert 0 < verdict.seconds < 10
    assert verify("\\boxed{41}", "42", data_source=MATHS).outcome is Outcome.WRONG
    assert verify("", "42", data_source=MATHS).outcome is Outcome.UNPARSED


def test_extra_reaches_the_domain() -> None:
    extra = {"instruction_id_list": ["punctuation:no_comma"], "prompt": "?"}
    assert verify("a b", NO_SETTINGS, data_source="ood__ifeval", extra=extra).outcome is Outcome.CORRECT
    assert verify("a, b", NO_SETTINGS, data_source="ood__ifeval", extra=extra).outcome is Outcome.WRONG
    assert verify("a, b", NO_SETTINGS, data_source="ood__ifeval").outcome is Outcome.ERROR


def test_an_unknown_source_is_the_callers_mistake() -> None:
    with pytest.raises(DataError, match="unknown data source 'mats'"):
        verify("\\boxed{42}", "42", data_source="mats")


def test_published_mode_gives_the_public_number() -> None:
    right = verify("Answer: 42", "42", data_source="aime_2024", mode="published")
    assert outcome_and_score(right) == (Outcome.CORRECT, 1.0)
    wrong = verify("\\boxed{42}", "42", data_source="aime_2024", mode="published")
    assert outcome_and_score(wrong) == (Outcome.WRONG, -1.0)
    missing = verify("\\boxed{42}", "42", data_source="mats", mode="published")
    assert outcome_and_score(missing) == (Outcome.ERROR, 0.0)
    assert missing.reason == ("NotImplementedError: Reward function is not implemented for data_source='mats'")


@pytest.mark.parametrize("mode", ["fixed", "published"])
def test_what_takes_too_long_is_stopped_from_outside(mode: Mode) -> None:
    verdict = verify(ENDLESS, TESTS, data_source="codegen__taco", mode=mode, timeout_s=1)
    assert outcome_and_score(verdict) == (Outcome.TIMEOUT, 0.0)
    assert verdict.reason == "not done within 1 s"
    assert 1 <= verdict.seconds < 5


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_a_limit_must_be_positive(timeout_s: float) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        verify("\\boxed{42}", "42", data_source=MATHS, timeout_s=timeout_s)
    with pytest.raises(ConfigError, match="must be positive"):
        list(verify_many([row("\\boxed{42}")], timeout_s=timeout_s))
    with pytest.raises(ConfigError, match="at least 1 worker"):
        list(verify_many([row("\\boxed{42}")], workers=0))


def test_rows_that_cannot_be_verified_are_errors_in_their_place() -> None:
    rows = [
        row("\\boxed{42}"),
        Malformed("line 2", "line 2 is not JSON"),
        row("\\boxed{42}", source="mats"),
        row("\\boxed{42}", truth=None),
        row("\\boxed{41}"),
        Row("r", MATHS, "\\boxed{1}", (number for number in range(3))),
    ]
    verdicts = list(verify_many(rows, workers=2))
    outcomes = [verdict.outcome.value for verdict in verdicts]
    assert [outcomes[i] for i in (0, 1, 2, 4, 5)] == ["correct", "error", "error", "wrong", "error"]
    assert outcomes[3] != "correct"
    assert verdicts[1].reason == "line 2 is not JSON"
    assert verdicts[2].reason.startswith("DataError: unknown data source 'mats'")
    assert verdicts[5].reason == "TypeError: cannot pickle 'generator' object"


def test_takes_rows_as_they_come_and_tells_of_progress() -> None:
    told: list[int] = []

    def endless() -> Iterator[Row]:
        while True:
            yield row("\\boxed{42}")

    verdicts = verify_many(endless(), workers=2, progress=told.append)
    assert [next(verdicts).outcome for _ in range(50)] == [Outcome.CORRECT] * 50
    assert told[:50] == list(range(1, 51))


def test_both_modes_side_by_side() -> None:
    rows = [row("\\boxed{42}"), row("\\boxed{2\\pi}", "6.2831853"), row("\\boxed{42}", source="aime_2024")]
    pairs = [(fixed.score, published.score) for fixed, published in verify_both(rows, workers=2)]
    assert pairs[0] == (1.0, 1.0)
    assert pairs[2] == (1.0, -1.0)


def test_a_rows_own_truth_is_correct_whatever_its_response() -> None:
    rows = [row("rubbish", truth) for truth in ("42", "\\frac{1}{2}", "(1, 2]", "x^2+1")]
    assert [verdict.outcome for verdict in check_many(rows, workers=1)] == [Outcome.CORRECT] * 4
    broken = [row("", ""), Row("r", "logic__arcagi1", "", "no grid"), Malformed("line 3", "broken")]
    assert [verdict.outcome for verdict in check_many(broken, workers=1)] == [Outcome.ERROR] * 3


RESPONSES = st.sampled_from(
    ["\\boxed{42}", "\\boxed{43}", "", "42", "\\boxed{x}", "\\boxed{84/2}", "Answer: 42", "\\boxed{9**9**9}"]
)
SOURCES = st.sampled_from([MATHS, "table__hitab", "aime", "stem__gpqa", "unknown", "logic__graph"])


@settings(max_examples=10, deadline=None)
@given(pairs=st.lists(st.tuples(RESPONSES, SOURCES), max_size=20))
def test_verdicts_do_not_depend_on_the_worker_count(pairs: list[tuple[str, str]]) -> None:
    rows = [row(response, source=source) for response, source in pairs]
    alone, together = (
        [
            (verdict.outcome, verdict.score, verdict.extracted, verdict.reason)
            for verdict in verify_many(rows, workers=n)
        ]
        for n in (1, 3)
    )
    assert alone == together


def test_verifies_from_an_event_loop() -> None:
    async def main() -> list[Outcome]:
        outcomes: list[Outcome] = [Outcome.ERROR] * 20

        async def ask(number: int) -> None:
            verdict = await verify_async(f"\\boxed{{{number}}}", "7", data_source=MATHS)
            outcomes[number] = verdict.outcome

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(ask, number)
        with anyio.move_on_after(0.3) as scope:
            await verify_async(ENDLESS, TESTS, data_source="codegen__taco")
        assert scope.cancelled_caught
        return outcomes

    assert anyio.run(main) == [Outcome.CORRECT if number == 7 else Outcome.WRONG for number in range(20)]


def test_works_without_a_main_guard_and_after_a_fork(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from abruzzi.verifiers import verify\n"
        f"print(verify('\\\\boxed{{42}}', '42', data_source={MATHS!r}).outcome, flush=True)\n"
        "pid = os.fork()\n"
        f"print(verify('\\\\boxed{{43}}', '42', data_source={MATHS!r}).outcome, flush=True)\n"
        "if pid:\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("correct\nwrong\nwrong\n0\n", "")


ADOPT_ORPHANS = """
import ctypes, pathlib, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # what the script leaves behind becomes a child of this process
done = subprocess.run([sys.executable, "-c", sys.argv[1]], timeout=60)
parents = [path.read_bytes().rpartition(b")")[2].split()[1] for path in pathlib.Path("/proc").glob("[0-9]*/stat")]
print(done.returncode, parents.count(str(os.getpid()).encode()))
"""
HANG_AND_LEAVE = """
from abruzzi.verifiers import Row, verify_many
endless = [Row("r", "codegen__taco", {endless!r}, {tests!r}) for _ in range(4)]
for verdict in verify_many(endless, workers=2, timeout_s=1): print(verdict.outcome, flush=True)
verdicts = verify_many([Row("r", "math", "1", "1"), *endless], workers=2)
print(next(verdicts).outcome, flush=True)  # and leave, with the others under way
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
def test_nothing_is_left_of_code_that_was_killed(tmp_path: Path) -> None:
    inner = HANG_AND_LEAVE.format(endless=ENDLESS, tests=TESTS)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", f"import os{ADOPT_ORPHANS}", inner]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.stdout.splitlines() == ["timeout"] * 4 + ["correct", "0 0"]
    assert list(tmp_path.iterdir()) == []


def test_the_facade_is_sorted_complete_and_light() -> None:
    names = abruzzi.verifiers.__all__
    assert names == sorted(names)
    assert all(hasattr(abruzzi.verifiers, name) for name in names)
    script = (
        "import sys, abruzzi.verifiers; print({'sympy', 'math_verify', 'pyarrow', 'reasoning_gym'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "set()\n"


def mixed_row(number: int) -> tuple[Row, Outcome]:
    """One of several domains' rows, with its outcome; one in a hundred never ends."""
    if number % 100 == 37:
        return Row(str(number), "codegen__taco", ENDLESS, TESTS), Outcome.TIMEOUT
    add = "```python\na, b = map(int, input().split())\nprint(a + b)\n```"
    kinds: list[tuple[Row, Outcome]] = [
        (row(f"\\boxed{{{number}}}", str(number)), Outcome.CORRECT),
        (row("\\boxed{x^2+2x+1}", "(x+1)^2"), Outcome.CORRECT),
        (row(f"\\boxed{{{number}}}", "-1"), Outcome.WRONG),
        (row("\\boxed{12%}", "0.12", "table__hitab"), Outcome.CORRECT),
        (row("<answer>[[1, 2]]</answer>", [[1, 3]], "logic__arcagi1"), Outcome.WRONG),
        (row('```json\n{"output": [1]}\n```', '"output": [1]', "simulation__codeio"), Outcome.CORRECT),
        (row("no idea", "C", "stem__supergpqa"), Outcome.UNPARSED),
        (row("\\boxed{(C)}", "C", "stem__supergpqa"), Outcome.CORRECT),
        (row("?", "1", "unknown"), Outcome.ERROR),
        (row(add, '{"inputs": ["1 2"], "outputs": ["3"]}', "codegen__taco"), Outcome.CORRECT),
    ]
    return kinds[number % len(kinds)]


@pytest.mark.slow
def test_ten_thousand_mixed_verifications_with_one_in_a_hundred_endless() -> None:
    limit_s, total = 5.0, 10_000
    rows, expected = zip(*map(mixed_row, range(total)), strict=True)
    start = time.monotonic()
    verdicts = list(verify_many(rows, workers=2, timeout_s=limit_s))
    seconds = time.monotonic() - start
    hangs = total // 100
    print(f"\n{total} mixed rows, {hangs} endless, 2 workers: {seconds:.1f} s; their limits: {hangs * limit_s / 2} s")  # noqa: T201
    assert [verdict.outcome for verdict in verdicts] == list(expected)
    assert seconds < 2 * hangs * limit_s / 2
