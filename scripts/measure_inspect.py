"""Measures Inspect AI as the engine of an evaluation beside our own runner; prints one JSON object a line.

    .venv/bin/python scripts/measure_inspect.py [weight] [cost] [kills] [again] [changes] [reuse] [machines]

Every sample is a stand-in: 20 ms of waiting, three candidates of 4 kB of random words, an answer that depends on the
item and the repeat alone, so that a disturbed run can be held against an undisturbed one item by item. A sample counts
as *paid* when its solver has written its line to ``paid``; two lines of one sample are one sample paid twice. ``ours``
is ``evaluation.runner`` with ``evaluation.store``: one JSON line a sample, flushed and fsynced. Runs are child
processes in temporary folders, with an Inspect data folder (``XDG_DATA_HOME``) of their own, and make eight samples at
once.
"""

import asyncio
import contextlib
import inspect
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import inspect_ai
from inspect_ai import Epochs, Task, eval_retry, eval_set, score, task
from inspect_ai.dataset import Sample as InspectSample
from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from abruzzi.data.items import Item
from abruzzi.evaluation.runner import missing_samples, run_samples
from abruzzi.evaluation.samples import Sample, SampleOutcome, sample_store
from abruzzi.nouns import Candidate, FinishReason

Found = dict[str, Any]
Key = tuple[str, int]

NUM_ITEMS, NUM_EPOCHS, AT_ONCE, SECONDS = 200, 4, 8, 0.02
WORDS = [f"{a}{b}{c}" for a in "bdfglmnprst" for b in "aeiou" for c in ("n", "ra", "st", "lo", "que", "mi", "d")]


def think(item: str, epoch: int) -> list[str]:
    """Return three candidates' texts, always the same ones for an item and an epoch."""
    rng = random.Random(f"{item}/{epoch}")
    texts = [" ".join(rng.choices(WORDS, k=900)) for _ in range(3)]
    return [f"{text} The answer is {rng.choice((41, 42))}" for text in texts]


def note(folder: str, name: str, line: str) -> None:
    """Append a line in one system call, so that a kill leaves whole lines."""
    with Path(folder, name).open("ab", buffering=0) as file:
        file.write(line.encode() + b"\n")


def read_keys(folder: Path, name: str) -> list[Key]:
    """Read the (item, epoch) lines of a file; none when it does not exist."""
    path = folder / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [(item, int(epoch)) for item, epoch in map(str.split, lines)]


# Inspect's side: a task of ours, whose file is this script.


@solver
def stand_in(folder: str) -> Solver:
    """Wait, write down that the sample was paid, answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate
        note(folder, "started", f"{state.sample_id} {state.epoch}")
        await asyncio.sleep(SECONDS)
        texts = think(str(state.sample_id), state.epoch)
        state.metadata["candidates"] = texts
        state.output = ModelOutput.from_content("stand-in", texts[0])
        state.messages.append(state.output.message)
        note(folder, "paid", f"{state.sample_id} {state.epoch}")
        return state

    return solve


@scorer(metrics=[mean(), stderr()])
def first() -> Scorer:
    """Score the first candidate."""

    async def judge(state: TaskState, target: Target) -> Score:
        return Score(value=float(state.output.completion.endswith(target.text)), answer=state.output.completion[-2:])

    return judge


@scorer(metrics=[mean(), stderr()])
def majority(folder: str) -> Scorer:
    """Score what two of the three candidates agree on; waits as a judge would, and writes that it was paid."""

    async def judge(state: TaskState, target: Target) -> Score:
        await asyncio.sleep(SECONDS)
        note(folder, "judged", f"{state.sample_id} {state.epoch}")
        answer = Counter(text[-2:] for text in state.metadata["candidates"]).most_common(1)[0][0]
        return Score(value=float(answer == target.text), answer=answer)

    return judge


@scorer(metrics=[mean(), stderr()])
def oracle() -> Scorer:
    """Score the best of the three candidates."""

    async def judge(state: TaskState, target: Target) -> Score:
        return Score(value=float(any(text.endswith(target.text) for text in state.metadata["candidates"])))

    return judge


@task
def measured(folder: str, truth: str = "truth", n: int = 3) -> Task:
    """Ask every item; the ground truth lies in a file of the folder, so that it can change under a run."""
    del n
    target = Path(folder, truth).read_text()
    items = [InspectSample(id=f"q{i:03}", input=f"Question {i}?", target=target) for i in range(NUM_ITEMS)]
    return Task(dataset=items, solver=stand_in(folder), scorer=first(), epochs=Epochs(NUM_EPOCHS, ["mean"]))


def options(folder: Path, **settings: Any) -> dict[str, Any]:
    """Return what every run of Inspect is given."""
    return {"log_dir": str(folder / "logs"), "display": "none", "max_samples": AT_ONCE, **settings}


def read_logs(folder: Path) -> list[EvalLog]:
    """Read the folder's logs, the newest first."""
    return [read_eval_log(info) for info in list_eval_logs(str(folder / "logs"))]


# Our side: the same samples through our own runner.


def run_store(folder: Path) -> None:
    """Run all missing samples with Abruzzi's own runner and store."""
    note(str(folder), "ready", "")
    target = (folder / "truth").read_text()
    items = [Item(f"q{i:03}", f"Question {i}?", target, "math__own") for i in range(NUM_ITEMS)]

    async def make(item: Item, repeat: int) -> Sample:
        note(str(folder), "started", f"{item.id} {repeat + 1}")
        await asyncio.sleep(SECONDS)
        texts = think(item.id, repeat + 1)
        note(str(folder), "paid", f"{item.id} {repeat + 1}")
        return _as_sample(item.id, repeat, texts, target)

    with sample_store(folder) as store:
        missing = missing_samples(items, NUM_EPOCHS, store)
        asyncio.run(run_samples(missing, make, store, parallel=AT_ONCE, on_sample=lambda _: None))


def _as_sample(item: str, repeat: int, texts: Sequence[str], target: str) -> Sample:
    candidates = tuple(
        Candidate(i, text, "", text[-2:], FinishReason.STOP, cluster=0, seconds=SECONDS) for i, text in enumerate(texts)
    )
    is_right = texts[0].endswith(target)
    outcome = SampleOutcome.CORRECT if is_right else SampleOutcome.WRONG
    return Sample(item, repeat, outcome, float(is_right), "", texts[0][-2:], 0, candidates=candidates)


# Child processes: what runs, and how it is killed.


def run_child(action: str, folder: Path, settings: dict[str, Any]) -> None:
    """Do one thing to a folder in this process, and leave what it cost in ``cost.json``."""
    started, idle = time.perf_counter(), time.process_time()
    if action == "store":
        run_store(folder)
    else:
        _run_inspect(action, folder, settings)
    used = time.process_time() - idle
    written = re.search(r"^write_bytes: (\d+)", Path("/proc/self/io").read_text(), re.M)
    cost = {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(used, 1),
        "written_mb": round(int(written[1]) / 1e6, 1) if written else None,
    }
    (folder / "cost.json").write_text(json.dumps(cost))


def _run_inspect(action: str, folder: Path, settings: dict[str, Any]) -> None:
    model = settings.pop("model", "mockllm/model")
    arguments = {"folder": str(folder), **settings.pop("task_args", {})}
    note(str(folder), "ready", "")
    if action == "eval":
        inspect_ai.eval(f"{__file__}@measured", model=model, task_args=arguments, **options(folder, **settings))
    elif action == "retry":
        newest = next(iter(list_eval_logs(str(folder / "logs"))))
        eval_retry(newest, **options(folder, **settings))
    elif action == "score":
        log = score(next(iter(read_logs(folder))), [majority(str(folder)), oracle()], action="append", display="none")
        write_eval_log(log)
    else:
        eval_set(f"{__file__}@measured", model=model, task_args=arguments, **options(folder, **settings))


def start(action: str, folder: Path, *, home: str = "home", own_pids: bool = False, **settings: Any) -> Any:
    """Start a child; with ``own_pids`` as process 1 of its own pid namespace, as in a container."""
    command = [sys.executable, __file__, "--child", action, str(folder), json.dumps(settings)]
    if own_pids:
        command = ["unshare", "-Upf", "--mount-proc", "--kill-child", *command]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / home), "NO_COLOR": "1"}
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603


def finish(action: str, folder: Path, **settings: Any) -> Found:
    """Run a child to its end and return what it cost; a failed one returns the end of what it said."""
    child = start(action, folder, **settings)
    if child.wait():
        return {"failed": " ".join((folder / "output").read_text().rpartition("ERROR")[2].split())[:160]}
    return json.loads((folder / "cost.json").read_text())


def kill_after(child: Any, folder: Path, seconds: float) -> bool:
    """Kill a child so long after it was ready; return False if it had ended by itself."""
    ready = folder / "ready"
    num_before = len(ready.read_bytes()) if ready.exists() else 0
    while not ready.exists() or len(ready.read_bytes()) == num_before:
        if child.poll() is not None:
            return False
        time.sleep(0.005)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
        return False
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.3)  # an unshared child dies a moment after its parent
    return True


def fresh(truth: str = "42") -> Path:
    """Make a folder for one run."""
    folder = Path(tempfile.mkdtemp(prefix="measure_inspect_"))
    (folder / "truth").write_text(truth)
    return folder


def results(folder: Path, action: str) -> dict[Key, float]:
    """Read the final record: (item, epoch) → score; raises if one is held twice."""
    if action == "store":
        pairs = [((s.item, s.repeat + 1), s.score) for s in sample_store(folder)]
    else:
        log = read_logs(folder)[0]
        assert log.status == "success", log.status
        pairs = [((str(s.id), s.epoch), s.scores["first"].as_float()) for s in log.samples or [] if s.scores]
    assert len(pairs) == len(dict(pairs)), "a sample is counted twice"
    return dict(pairs)


# The measurements.


def weigh() -> Iterator[Found]:
    """What an import costs, and what comes along with the package."""
    script = "import {}, re; print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    for module in ("abruzzi", "abruzzi.evaluation.samples", "inspect_ai", "inspect_ai._eval.eval"):
        seconds, memory = [], 0
        for _ in range(5):
            started = time.perf_counter()
            memory = int(subprocess.check_output([sys.executable, "-c", script.format(module)]))  # noqa: S603
            seconds.append(time.perf_counter() - started)
        yield {"import": module, "seconds": round(min(seconds), 2), "peak_mb": round(memory / 1024)}
    ours, theirs = _closure("abruzzi"), _closure("inspect-ai")
    more = sorted(theirs - ours)
    files = [file for name in more for file in metadata.files(name) or []]
    size = sum(path.stat().st_size for path in (Path(str(file.locate())) for file in files) if path.is_file())
    yield {"packages": len(theirs), "not of Abruzzi's core": len(more), "their mb": round(size / 1e6)}


def _closure(name: str) -> set[str]:
    """Return a package and all that it needs without extras, as far as it is installed here."""
    found: set[str] = set()
    todo = [name]
    while todo:
        package = todo.pop()
        try:
            needs = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(package)
        plain = (re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in needs if "extra ==" not in need)
        todo += {re.sub(r"[-_.]+", "-", other).lower() for other in plain} - found
    return found


RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("store", {}),
    "inspect": ("eval", {}),
    "inspect, log_buffer=1": ("eval", {"log_buffer": 1}),
    "inspect, log_shared=1": ("eval", {"log_shared": 1}),
    "inspect, log_realtime off": ("eval", {"log_realtime": False}),
    "inspect, 16 epochs": ("eval", {"epochs": 16}),
}


def measure_cost() -> Iterator[Found]:
    """What an undisturbed run takes."""
    for name, (action, settings) in RUNS.items():
        folder = fresh()
        cost = finish(action, folder, **settings)
        record = folder / "samples.jsonl" if action == "store" else next((folder / "logs").glob("*.eval"))
        size = {"record_mb": round(record.stat().st_size / 1e6, 2)}
        if action == "store":
            packed = shutil.make_archive(str(folder / "packed"), "gztar", folder, "samples.jsonl")
            size["record_gz_mb"] = round(Path(packed).stat().st_size / 1e6, 2)
        yield {"run": name, "samples": len(results(folder, action)), **cost, **size}
        shutil.rmtree(folder)


KILLS: dict[str, tuple[str, int, dict[str, Any], dict[str, Any]]] = {
    # name: run, kills, settings of the run, settings of the retry
    "ours": ("ours", 10, {}, {}),
    "inspect": ("inspect", 10, {}, {}),
    "inspect, log_buffer=1": ("inspect, log_buffer=1", 10, {}, {}),
    "inspect, retried on another machine": ("inspect", 5, {}, {"home": "other"}),
    "the same with log_shared=1": ("inspect, log_shared=1", 5, {}, {"home": "other"}),
    "16 epochs, retried on another machine": ("inspect, 16 epochs", 3, {}, {"home": "other"}),
    "inspect, in a restarted container": ("inspect", 5, {"own_pids": True}, {"own_pids": True}),
}


def measure_kills() -> Iterator[Found]:
    """Kill a run once at a random moment, go on with it, and hold the outcome against an undisturbed run."""
    rng = random.Random(4)
    for name, (run, num_kills, first_settings, again) in KILLS.items():
        action, settings = RUNS[run]
        whole = fresh()
        seconds = finish(action, whole, **settings)["seconds"]
        expected = results(whole, action)
        shutil.rmtree(whole)
        trials: list[Found] = []
        while len(trials) < num_kills:
            folder = fresh()
            child = start(action, folder, **settings, **first_settings)
            if kill_after(child, folder, rng.uniform(0, seconds)):
                trials.append(_resume(folder, action, again, expected))
            shutil.rmtree(folder)
        yield {"kills": name, "trials": num_kills, **_sum(trials)}


def _resume(folder: Path, action: str, again: dict[str, Any], expected: dict[Key, float]) -> Found:
    started, paid = read_keys(folder, "started"), read_keys(folder, "paid")
    stage: Found = {"paid_before": len(paid), "in_flight": len(started) - len(paid)}
    if action != "store":
        stage["no_log"] = int(not _has_log(folder))
        try:
            stage["in_log"] = sum(len(log.samples or []) for log in read_logs(folder))
        except (ValueError, OSError) as error:
            stage["unreadable"] = repr(error)
    cost = finish("store" if action == "store" else "retry" if _has_log(folder) else "eval", folder, **again)
    if "failed" in cost:
        return {**stage, "retry_failed": cost["failed"]}
    twice = sum(count - 1 for count in Counter(read_keys(folder, "paid")).values())
    return {**stage, "paid_twice": twice, "equal": int(results(folder, action) == expected)}


def _has_log(folder: Path) -> bool:
    return any((folder / "logs").glob("*.eval"))


def _sum(trials: list[Found]) -> Found:
    total: Found = {
        name: sum(t.get(name, 0) for t in trials) for name in ("paid_before", "in_flight", "in_log", "no_log")
    }
    total["unreadable"] = [t["unreadable"] for t in trials if "unreadable" in t]
    total["paid_twice"] = [t.get("paid_twice") for t in trials]
    total["equal_to_undisturbed"] = sum(t.get("equal", 0) for t in trials)
    total["failures"] = [t["retry_failed"] for t in trials if "retry_failed" in t]
    return total


def measure_again() -> Iterator[Found]:
    """Kill a run half-way, kill its resumption in its first seconds, and let the third go on to the end."""
    for name, action, seconds, soon in (("ours", "store", 1.5, 1.0), ("inspect eval_set", "set", 8.0, 5.0)):
        rng, whole, trials = random.Random(7), fresh(), list[Found]()
        finish(action, whole)
        for _ in range(10):
            folder = fresh()
            kill_after(start(action, folder), folder, seconds)
            kill_after(start(action, folder), folder, rng.uniform(0, soon))
            paid, held = len(set(read_keys(folder, "paid"))), _count_held(folder, action)
            finish(action, folder)
            counts = Counter(read_keys(folder, "paid"))
            twice = sum(counts.values()) - len(counts)
            is_equal = results(folder, action) == results(whole, action)
            trials.append({"paid": paid, "held": held, "paid_twice": twice, "equal": is_equal})
            shutil.rmtree(folder)
        yield {"killed again": name, **{field: [trial[field] for trial in trials] for field in trials[0]}}
        shutil.rmtree(whole)


def _count_held(folder: Path, action: str) -> int:
    """Count the samples that the next try will find: in the store, or in the newest log."""
    if action == "store":
        return len(list(sample_store(folder)))
    return len(read_logs(folder)[0].samples or []) if _has_log(folder) else 0


def measure_changes() -> Iterator[Found]:
    """What a retry does when arguments, model or ground truths are other ones."""
    changes: dict[str, tuple[str, dict[str, Any], str]] = {
        "eval_set, other task argument": ("set", {"task_args": {"n": 5}}, "42"),
        "eval_set, other model": ("set", {"model": "mockllm/other"}, "42"),
        "eval_set, other ground truths": ("set", {}, "41"),
        "eval_retry, other ground truths": ("retry", {}, "41"),
    }
    for name, (action, settings, truth) in changes.items():
        folder = fresh()
        kill_after(start("set" if action == "set" else "eval", folder), folder, 6)
        (folder / "truth").write_text(truth)
        found = finish(action, folder, **settings)
        log = read_logs(folder)[0]
        targets = Counter(str(s.target) for s in log.samples or [])
        yield {"change": name, "failed": found.get("failed"), "status": log.status, "targets": targets}
        shutil.rmtree(folder)
    signature = inspect.signature(eval_retry).parameters
    yield {"eval_retry takes": {name: name in signature for name in ("task_args", "model", "solver", "epochs")}}


def measure_reuse() -> Iterator[Found]:
    """Whether other choices among the same candidates can be scored from one log, and what a kill leaves of that."""
    folder = fresh()
    finish("eval", folder)
    cost = finish("score", folder)
    metrics = {s.name: s.metrics["mean"].value for s in read_logs(folder)[0].results.scores}  # type: ignore[union-attr]
    yield {"rescored": metrics, "paid": len(read_keys(folder, "paid")), **cost}
    (folder / "judged").unlink()
    kill_after(start("score", folder), folder, cost["seconds"] * 0.6)
    num_judged = len(read_keys(folder, "judged"))
    finish("score", folder)
    counts = Counter(read_keys(folder, "judged"))
    yield {"judged_before_kill": num_judged, "judged_twice": sum(counts.values()) - len(counts)}
    shutil.rmtree(folder)


def measure_machines() -> Iterator[Found]:
    """What two workers make of one task: each its own half of the items, into one folder."""
    folder = fresh()
    ids = [f"q{i:03}" for i in range(NUM_ITEMS)]
    halves = (ids[: NUM_ITEMS // 2], ids[NUM_ITEMS // 2 :])
    for child in [start("eval", folder, sample_id=half, home=half[0]) for half in halves]:
        child.wait()
    logs = read_logs(folder)
    yield {"logs": len(logs), "samples": [len(log.samples or []) for log in logs], "task_ids": len(_ids(logs))}
    found = finish("set", folder)
    yield {"eval_set over both": found, "logs": len(read_logs(folder)), "paid": len(read_keys(folder, "paid"))}
    commands = subprocess.check_output([sys.executable, "-m", "inspect_ai", "log", "--help"], text=True)
    yield {"inspect log": re.findall(r"^  (\w[\w-]*) {2,}", commands, re.M)}
    shutil.rmtree(folder)


def _ids(logs: list[EvalLog]) -> set[str]:
    return {log.eval.task_id for log in logs}


SECTIONS: dict[str, Callable[[], Iterator[Found]]] = {
    "weight": weigh,
    "cost": measure_cost,
    "kills": measure_kills,
    "again": measure_again,
    "changes": measure_changes,
    "reuse": measure_reuse,
    "machines": measure_machines,
}


def main(*names: str) -> None:
    """Measure the named sections, or all."""
    for name in names or SECTIONS:
        for found in SECTIONS[name]():
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
    else:
        main(*sys.argv[1:])
