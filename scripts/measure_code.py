"""Measures the verifiers that run code on labelled public data kept beside the checkout; prints one JSON object a line.

    .venv/bin/python scripts/measure_code.py ../shared/data [SET …]

Does each row's own solution pass (``gold``)? Does the solution of the set's next row fail (``foreign``)? How often do
the fixed verdict and the published score agree with a response's label (``labels``)? Programs that only look the right
output up stand in where a set has tests and no solutions. Each row is judged in both modes, one after the other, and
timed; gold solutions are also run by the command of the public code, without any sandbox (``bare``). ``pool`` is what
two workers get done. ``cost`` compares one run with starting Python bare. Rows on which verdict and label differ go to
stderr, to be read by hand.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from abruzzi.nouns import Outcome
from abruzzi.verifiers import verify_many
from abruzzi.verifiers.code import verify_code
from abruzzi.verifiers.cruxeval import verify_cruxeval
from abruzzi.verifiers.fences import python_blocks
from abruzzi.verifiers.published.code import score_code
from abruzzi.verifiers.published.cruxeval import score_cruxeval
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits, find_wall, lend, run_program, run_tests

Record = dict[str, Any]
PRELUDE = "\n".join(
    f"from {name} import *"
    for name in ("typing", "collections", "itertools", "functools", "math", "heapq", "bisect", "string", "operator")
)
"""What the LeetCode set's authors give to every solution."""
NUM_TIMED = 200


def _fence(code: str) -> str:
    return f"So:\n```python\n{code}\n```\n"


def _function_row(record: Record, code: str, tests: str, **extra: str) -> Row:
    return Row(record["id"], "codegen__x", _fence(code), json.dumps({"functional": tests}), extra)


def _humaneval(record: Record) -> Row:
    tests = record["tests"]
    source = f"{tests['test']}\n\ncheck({tests['entry_point']})"
    return _function_row(record, record["question"] + record["answer"], source, reference=record["answer"])


def _mbpp(record: Record) -> Row:
    tests = record["tests"]
    code = record["answer"]
    return _function_row(record, code, "\n".join([*tests["imports"], *tests["asserts"]]), reference=code)


def _leetcode(record: Record) -> Row:
    code = record["answer"]
    return _function_row(
        record, code, record["tests"]["code"], reference=code, prefix=PRELUDE + "\nimport math, random"
    )


def _reflexion(record: Record) -> Row:
    tests = record["tests"]
    calls_itself = "MBPP" in record["benchmark"]
    source = tests["test"] if calls_itself else f"{tests['test']}\n\ncheck({tests['entry_point']})"
    return _function_row(record, record["response"], source)


def _lookup(record: Record) -> Row:
    cases = record["tests"]["cases"]
    table = {case["input"]: case["output"] for case in cases}
    truth = {"inputs": [case["input"] for case in cases], "outputs": [case["output"] for case in cases]}
    code = f"import sys\nprint({table!r}[sys.stdin.read()], end='')"
    return Row(record["id"], "codegen__x", _fence(code), json.dumps(truth))


def _cruxeval_row(record: Record, kind: str, function: str, given: str, output: str) -> Row:
    line = f"assert f({given}) == ??" if kind == "o" else f"assert f(??) == {record['answer']}"
    extra = {"original_prompt": f"```python\n{function}\n{line}\n```", "reference": record["answer"]}
    truth = json.dumps({"functional": function})
    return Row(record["id"], f"simulation__cruxeval-{kind}", _fence(f"assert f({given}) == ({output})"), truth, extra)


def _cruxeval(kind: str) -> Callable[[Record], Row]:
    def make(record: Record) -> Row:
        tests = record["tests"]
        return _cruxeval_row(record, kind, tests["code"], tests["input"], tests["output"])

    return make


def _zeroeval(record: Record) -> Row:
    found = re.search(r"\[PYTHON\]\n(.*)\nassert f\((.*)\) == \?\?\n\[/PYTHON\]", record["question"], re.DOTALL)
    assert found, "every question of the set ends so"
    return _cruxeval_row(record, "o", found[1], found[2], record["extracted"])


def _zeroeval_as_written(record: Record) -> Row:
    row = _zeroeval(record)
    return Row(row.id, row.data_source, record["response"], row.ground_truth, row.extra)


SETS: dict[str, tuple[str, Callable[[Record], Row]]] = {
    "humaneval": ("humaneval", _humaneval),
    "mbpp": ("mbpp_sanitized", _mbpp),
    "leetcode": ("leetcode_deepcoder_test", _leetcode),
    "codeforces, looked up": ("codeforces_deepcoder_test", _lookup),
    "livecodebench, looked up": ("livecodebench_v5", _lookup),
    "reflexion": ("resp_code_reflexion", _reflexion),
    "cruxeval-o": ("cruxeval", _cruxeval("o")),
    "cruxeval-i": ("cruxeval", _cruxeval("i")),
    "zeroeval cruxeval-o, as an assertion": ("resp_zeroeval_cruxeval", _zeroeval),
    "zeroeval cruxeval-o, as written": ("resp_zeroeval_cruxeval", _zeroeval_as_written),
}


def _timed(judge: Callable[[], bool]) -> tuple[bool, float]:
    start = time.perf_counter()
    result = judge()
    return result, time.perf_counter() - start


def _read(folder: str, file: str) -> list[Record]:
    lines = (Path(folder) / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    records: list[Record] = [json.loads(line) for line in lines]
    return [record for record in records if record.get("tests", {}).get("type") != "functional_examples"]


def _measure(name: str, records: list[Record], make: Callable[[Record], Row]) -> Iterator[Record]:
    rows = [make(record) for record in records]
    is_cruxeval = rows[0].data_source.startswith("simulation")
    verify, score = (verify_cruxeval, score_cruxeval) if is_cruxeval else (verify_code, score_code)
    agree = dict.fromkeys(("fixed", "published"), 0)
    seconds: dict[str, list[float]] = {"fixed": [], "published": []}
    for record, row in zip(records, rows, strict=True):
        label = record.get("correct", True)
        verdict = verify(row)
        fixed, fixed_s = _timed(lambda row=row: verify(row).outcome is Outcome.CORRECT)
        published, published_s = _timed(lambda row=row: score(row) == 1.0)
        seconds["fixed"].append(fixed_s)
        seconds["published"].append(published_s)
        agree["fixed"] += fixed == label
        agree["published"] += published == label
        if fixed != label or published != label:
            shown = {"set": name, "id": row.id, "label": label, "published": published, "fixed": verdict.outcome}
            sys.stderr.write(json.dumps({**shown, "reason": verdict.reason}) + "\n")
    question = "labels" if "correct" in records[0] else "gold"
    medians = {f"{mode} median ms": round(statistics.median(times) * 1000, 1) for mode, times in seconds.items()}
    totals = {f"{mode} rows per s": round(len(rows) / sum(times), 1) for mode, times in seconds.items()}
    yield {"set": name, "question": question, "rows": len(rows), **agree, **medians, **totals}
    if question == "gold":
        yield {"set": name, "question": "pool", "rows": len(rows), **_throughput(rows)}
    if question == "gold" and not is_cruxeval:
        bare = [_timed(lambda row=row: _run_bare(row))[1] for row in rows]
        median, total = round(statistics.median(bare) * 1000, 1), round(len(rows) / sum(bare), 1)
        yield {"set": name, "question": "bare", "rows": len(rows), "median ms": median, "rows per s": total}
        swapped = zip(rows, rows[1:] + rows[:1], strict=True)
        foreign = [Row(a.id, a.data_source, b.response, a.ground_truth, a.extra) for a, b in swapped]
        passing = [row.id for row in foreign if verify_code(row).outcome is Outcome.CORRECT]
        yield {"set": name, "question": "foreign", "rows": len(foreign), "fixed": len(foreign) - len(passing)}
        sys.stderr.write(json.dumps({"set": name, "foreign solutions that pass": passing}) + "\n")


def _throughput(rows: list[Row]) -> Record:
    rates: Record = {}
    for mode in ("fixed", "published"):
        start = time.perf_counter()
        num_done = sum(1 for _ in verify_many(rows, mode=mode, workers=2))
        rates[f"{mode} rows per s"] = round(num_done / (time.perf_counter() - start), 1)
    return rates


def _run_bare(row: Row) -> bool:
    """Run a gold solution as the public code runs replies: a shell, a time limit and Python per program."""
    truth = json.loads(row.ground_truth)
    code = python_blocks(row.response)[-1]
    if "inputs" in truth:
        return all(_start_publicly(code, stdin) for stdin in truth["inputs"])
    return _start_publicly(f"{row.extra.get('prefix', '')}\n{code}\n{truth['functional']}")


def _start_publicly(code: str, stdin: str = "") -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(code)
        file.flush()
        command = f"ulimit -v 10485760; exec timeout 30 /usr/bin/python3 {file.name}"
        return _start("/bin/bash", "-c", command, stdin=stdin)


def _start(*command: str, stdin: str = "") -> bool:
    done = subprocess.run(command, input=stdin.encode(), capture_output=True, check=False)  # noqa: S603 - written here
    return done.returncode == 0


def _cost() -> Iterator[Record]:
    """Time a program that prints one number, and a function with one test."""
    shell = "ulimit -v 10485760; exec timeout 30 /usr/bin/python3 -c 'print(1)'"
    tests = "def check(f):\n    assert f(1, 2) == 3\ncheck(add)"
    with lend("solutions") as solutions, lend("tests") as testers:
        ways: dict[str, Callable[[], object]] = {
            "program in the sandbox": lambda: run_program(solutions, "print(1)", limits=Limits()),
            "function and tests in two sandboxes": lambda: run_tests(
                solutions, testers, source="def add(a, b): return a + b", tests=tests, limits=Limits()
            ),
            "python3 -c": lambda: _start("/usr/bin/python3", "-c", "print(1)"),
            "the public command": lambda: _start("/bin/bash", "-c", shell),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(NUM_TIMED):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                times[way].append(time.perf_counter() - start)
    medians = {way: round(statistics.median(found) * 1000, 2) for way, found in times.items()}
    yield {"question": "cost", "wall": find_wall(), "runs": NUM_TIMED, "median ms": medians}


def main(folder: str, *names: str) -> None:
    """Measure the named sets, or all, and what a run costs."""
    for name in names or SETS:
        file, make = SETS[name]
        for found in _measure(name, _read(folder, file), make):
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
    for found in _cost():
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
