"""Measures the embedded engine, fits the capacity model's constants on four points and tests it on the others.

    taskset -c 1 .venv/bin/python scripts/measure_capacity.py [--repeats 3] [--threads 1] [--unit cpu|wall]
        [--slots 1 2 4 8] [--contexts 32 512 1536] [--prompts 64 … 1536] [--decoded 24] [--json FILE] [--toml FILE]

Prints a Markdown table. The engine and its weights are the embedded ones (SmolLM2-135M-Instruct, Q4_1). The unit is a
CPU second of the engine's process: with one thread that is a wall second where nobody else runs, and on a shared
machine it is the steadier figure (wall seconds stand beside it). With more threads take ``--unit wall``, on a quiet
machine. ``--json`` keeps what was measured; ``--toml`` writes the fitted machine for ``abruzzi capacity --hardware``.

- ``copy``: a STREAM-like copy of 256 MB with numpy; bytes read and bytes written are both counted. The same run's
  median is the model's bandwidth; it is not fitted.
- ``prefill``: a prompt of random tokens, nothing cached, from the request to the first token.
- ``decode``: one request for as many completions as there are slots, so that the prompt is computed once; CPU time
  between two tokens of the stream, per pass. The context of a pass is the prompt and half of what is decoded.

Three constants are fitted, by least squares of relative errors on the points of ``FIT``, chosen before anything was
measured: operations a second, bytes of keys and values a second, seconds a pass. Arithmetic and reading are taken to
follow each other (``overlap`` 0), as the kernels unpack the weights that they multiply. "memory limit" is what reading
weights and cache at the speed of the copy would take, as a share of what was measured.
"""

import argparse
import http.client
import json
import random
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import platformdirs

from abruzzi.capacity.machines import Machine
from abruzzi.capacity.passes import decode_pass, prefill_passes
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.roofline import PassTime
from abruzzi.capacity.shapes import SHAPES
from abruzzi.cli.bench_record import describe_run, write_line
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.weights import BASE, fetch_base

BATCH_TOKENS = 128
COPY_BYTES = 256_000_000
VOCABULARY = (100, 40_000)
"""Random prompts are drawn from here, past the special tokens."""
SKIPPED = 4
"""Tokens of a stream before the clock starts: the prompt's end and the copying of its cache are no decoding."""

Kind = Literal["prefill", "decode"]


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured."""

    kind: Kind
    slots: int
    tokens: int
    """Of the prompt."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians of a point: of a whole prompt, or of one pass of decoding."""

    point: Point
    cpu_s: float
    wall_s: float
    context_tokens: float
    spread: float
    """Largest ÷ smallest CPU time of the repeats."""

    def seconds(self, unit: str) -> float:
        """In the unit that is fitted: ``cpu`` or ``wall``."""
        return self.cpu_s if unit == "cpu" else self.wall_s


FIT = (Point("prefill", 1, 512), Point("decode", 1, 32), Point("decode", 8, 32), Point("decode", 4, 1536))


def measure_copy(repeats: int) -> list[float]:
    """Copy a large array; bytes a second of CPU time, read and written."""
    source = np.ones(COPY_BYTES // 8)
    target = np.empty_like(source)
    rates: list[float] = []
    for _ in range(repeats + 1):
        start = time.process_time()
        np.copyto(target, source)
        rates.append(2 * source.nbytes / (time.process_time() - start))
    return rates[1:]  # the first one maps the pages


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, to the nanosecond (the kernel's ``schedstat``)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def stream(engine: Engine, prompt: list[int], *, n: int, max_tokens: int) -> Iterator[None]:
    """Ask for n completions of a prompt, greedily and past every end; yield at each token of the first one."""
    address = urlsplit(engine.base_url)
    body = {
        "prompt": prompt,
        "n": n,
        "max_tokens": max_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "cache_prompt": False,
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)) as connection:
        connection.request("POST", "/v1/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            raise SystemExit(f"the engine refused: HTTP {response.status}: {response.read()[:300]!r}")
        for raw in response:
            line = raw.decode().strip()
            if not line.startswith("data: {"):
                continue
            chunk: dict[str, Any] = json.loads(line[6:])
            choices: list[dict[str, Any]] = chunk.get("choices", [])
            if choices and choices[0]["index"] == 0 and choices[0].get("finish_reason") is None:
                yield


def measure(engine: Engine, point: Point, *, decoded: int, rng: random.Random) -> tuple[float, float, float]:
    """Measure a point once; CPU seconds, wall seconds, mean context."""
    pid = engine.pid
    assert pid is not None, "the engine runs"
    prompt = [rng.randint(*VOCABULARY) for _ in range(point.tokens)]
    start_cpu, start = cpu_seconds(pid), time.perf_counter()
    tokens = stream(engine, prompt, n=point.slots, max_tokens=2 if point.kind == "prefill" else SKIPPED + decoded + 1)
    if point.kind == "prefill":
        next(tokens)
        taken = cpu_seconds(pid) - start_cpu, time.perf_counter() - start
        for _ in tokens:  # to its end, so that the slot is free
            pass
        return *taken, float(point.tokens)
    marks: list[tuple[float, float]] = []
    for number, _ in enumerate(tokens, start=1):
        if number in (SKIPPED, SKIPPED + decoded):
            marks.append((cpu_seconds(pid), time.perf_counter()))
    (cpu, wall), (cpu_end, wall_end) = marks
    return (cpu_end - cpu) / decoded, (wall_end - wall) / decoded, point.tokens + SKIPPED + decoded / 2


def measure_all(engine: Engine, points: list[Point], *, repeats: int, decoded: int) -> list[Measured]:
    """Measure all points, in turn and in a new order each time, so that a slow minute hits no point alone."""
    rng = random.Random(7)
    found: dict[Point, list[tuple[float, float, float]]] = {point: [] for point in points}
    measure(engine, Point("decode", 2, 64), decoded=8, rng=rng)  # warms up
    for repeat in range(repeats):
        for point in rng.sample(points, len(points)):
            found[point].append(measure(engine, point, decoded=decoded, rng=rng))
            sys.stderr.write(f"{repeat + 1}/{repeats} {point} {found[point][-1]}\n")
    return [
        Measured(
            point,
            statistics.median(cpu for cpu, _, _ in taken),
            statistics.median(wall for _, wall, _ in taken),
            taken[0][2],
            max(cpu for cpu, _, _ in taken) / min(cpu for cpu, _, _ in taken),
        )
        for point, taken in found.items()
    ]


def make_replica(copy: float, *, flops: float = 1.0, cache_share: float = 1.0, pass_s: float = 0.0) -> Replica:
    """The embedded model on a machine with these constants; ``copy`` and ``flops`` a second."""
    shape = SHAPES["embedded"]
    machine = Machine(
        name="measured",
        devices=1,
        layout="tensor",
        memory_bytes=24e9,
        flops=flops,
        bandwidth=copy,
        cache_share=cache_share,
        overlap=0.0,
        pass_s=pass_s,
    )
    return Replica(shape, machine, weight_bits=8 * BASE.num_bytes / shape.num_parameters, chunk_tokens=BATCH_TOKENS)


def time_point(replica: Replica, measured: Measured) -> list[PassTime]:
    """The passes that make a point up."""
    point = measured.point
    if point.kind == "prefill":
        return prefill_passes(replica, tokens=point.tokens)
    return [decode_pass(replica, sequences=point.slots, context_tokens=measured.context_tokens)]


def fit(measured: list[Measured], copy: float, unit: str = "cpu") -> Replica:
    """Fit three constants on the points of ``FIT``.

    Raises:
        SystemExit: no constants fit.
    """
    plain = make_replica(copy)
    rows: list[list[float]] = []
    for one in measured:
        passes = time_point(plain, one)
        terms = [sum(each.arithmetic_s for each in passes), sum(each.cache_s for each in passes), float(len(passes))]
        known = sum(each.weights_s for each in passes)
        seconds = one.seconds(unit)
        rows.append([*(term / seconds for term in terms), 1 - known / seconds])
    table = np.array(rows)
    per_flop, cache, pass_s = _solve(table[:, :3], table[:, 3])
    if pass_s < 0:  # weights come faster than memory is copied, from the processor's own cache; no time a pass is left
        (per_flop, cache), pass_s = _solve(table[:, :2], table[:, 3]), 0.0
    if per_flop <= 0 or cache < 1:
        raise SystemExit(f"no constants fit ({per_flop=}, {cache=}, {pass_s=}): too busy a machine; measure again")
    return make_replica(copy, flops=1 / per_flop, cache_share=1 / cache, pass_s=pass_s)


def _solve(terms: np.ndarray, wanted: np.ndarray) -> tuple[float, ...]:
    """Least squares; the columns differ by many powers of ten, and are scaled first."""
    scale = np.abs(terms).max(axis=0)
    return tuple(float(value) for value in np.linalg.lstsq(terms / scale, wanted, rcond=None)[0] / scale)


def report(heading: str, copies: list[float], measured: list[Measured], replica: Replica, unit: str = "cpu") -> str:
    """Write everything as Markdown."""
    machine = replica.machine
    lines = [
        heading,
        "",
        f"copy {statistics.median(copies) / 1e9:.2f} GB/s ({min(copies) / 1e9:.2f} to {max(copies) / 1e9:.2f}); "
        f"fitted: {machine.flops / 1e9:.1f} GFLOP/s, keys and values at "
        f"{machine.bandwidth * machine.cache_share / 1e9:.2f} GB/s, {1e3 * machine.pass_s:.2f} ms a pass",
        "",
        "| what | slots | prompt | CPU ms | wall ms | spread | predicted ms | error | binds | memory limit | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    errors: list[float] = []
    plain = make_replica(statistics.median(copies))
    for one in measured:
        passes = time_point(replica, one)
        limit = sum(each.reading_s for each in time_point(plain, one)) / one.seconds(unit)
        predicted, point = sum(each.seconds for each in passes), one.point
        error = predicted / one.seconds(unit) - 1
        if point not in FIT:
            errors.append(abs(error))
        lines.append(
            f"| {point.kind} | {point.slots} | {point.tokens} | {1e3 * one.cpu_s:.1f} | {1e3 * one.wall_s:.1f} | "
            f"{one.spread:.2f} | {1e3 * predicted:.1f} | {error:+.1%} | {passes[-1].bound} | {limit:.0%} | "
            f"{'fitted' if point in FIT else ''} |"
        )
    lines += [
        "",
        f"{len(errors)} points that nothing was fitted to: median absolute error of {unit} seconds "
        f"{statistics.median(errors):.1%}, "
        f"largest {max(errors):.1%}.",
    ]
    return "\n".join(lines)


def to_toml(heading: str, machine: Machine) -> str:
    """Write a fitted machine as ``machine_file`` reads it."""
    return (
        f"# {heading}\n[machine]\nmemory_gb = {machine.memory_bytes / 1e9:g}\n"
        f"tflops = {machine.flops / 1e12:.4g}\nbandwidth_gbs = {machine.bandwidth / 1e9:.4g}\n"
        f"cache_share = {machine.cache_share:.4g}\npass_us = {1e6 * machine.pass_s:.4g}\noverlap = 0.0\n"
    )


def main() -> None:
    """Measure, fit, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unit", choices=["cpu", "wall"], default="cpu", help="what is fitted and compared")
    parser.add_argument("--decoded", type=int, default=24)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--contexts", type=int, nargs="+", default=[32, 512, 1536])
    parser.add_argument("--prompts", type=int, nargs="+", default=[64, 128, 256, 512, 1024, 1536])
    parser.add_argument("--json", type=Path, help="write what was measured here too")
    parser.add_argument("--toml", type=Path, help="write the fitted machine here")
    asked = parser.parse_args()
    points = [Point("prefill", 1, tokens) for tokens in asked.prompts]
    points += [Point("decode", slots, tokens) for tokens in asked.contexts for slots in asked.slots]
    missing = [point for point in FIT if point not in points]
    if missing:
        raise SystemExit(f"the fit needs {missing}; do not leave them out")
    settings = EngineSettings(
        model=fetch_base(platformdirs.user_cache_path("abruzzi")),
        slots=max(asked.slots),
        context_tokens=2048,
        threads=asked.threads,
        batch_tokens=BATCH_TOKENS,
        prompt_cache_mib=0,
    )
    copies = measure_copy(2 + asked.repeats)
    with Engine(settings) as engine:
        measured = measure_all(engine, points, repeats=asked.repeats, decoded=asked.decoded)
    copies += measure_copy(2 + asked.repeats)
    record = describe_run(shlex.join(sys.argv))
    if asked.json is not None:
        rows = [asdict(one) for one in measured]
        asked.json.write_text(json.dumps({"record": record, "copies": copies, "points": rows}, indent=1))
    replica = fit([one for one in measured if one.point in FIT], statistics.median(copies), asked.unit)
    sys.stdout.write(report(write_line(record), copies, measured, replica, asked.unit) + "\n")
    if asked.toml is not None:
        asked.toml.write_text(to_toml(write_line(record), replica.machine))


if __name__ == "__main__":
    main()
