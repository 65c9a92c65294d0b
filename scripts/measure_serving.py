"""Measures what ``abruzzi serve`` adds to an upstream under many streams, beside other proxies in the same run.

    .venv/bin/python scripts/measure_serving.py [--streams 500] [--requests 20000] [--peers build/peers] [--json FILE]
        [--only WORD]…

Prints Markdown tables, and writes everything as JSON where asked. LiteLLM and optillm are installed into folders under
``--peers`` at first use; one that cannot be had is left out, and the output says why. ``--only`` keeps the systems
whose name holds a word, and the direct way; ``--requests 0`` leaves the memory out. Ends by itself. Linux alone.

The upstream is simulated (``tests/serving/load/upstream.py``): the first token after so long, then one token at a time,
each of which carries the moment at which it was due. So a first token's time is what passed from the question beyond
the upstream's own wait, and a token's is how late it came; what the rig itself takes stands in the row ``direct``.
Questions begin one after the other at the pace at which ``--streams`` of them are under way when none is late; nobody
waits for an earlier one to end, so a proxy that falls behind is not spared. ``quiet`` is five at a time.

Client, upstream and proxy share the machine. CPU time is the proxy's, its children's included; where that of the client
comes near one core, the row measures the client.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from abruzzi.cli.bench_costs import read_cpu_s
from tests.serving.load.costs import read_rss_bytes
from tests.serving.load.flood import WAYS
from tests.serving.load.peers import KEY, PEERS, Peer, install, running
from tests.serving.load.processes import abruzzi, upstream
from tests.serving.load.streams import Heard, Outcome, ask

WITHIN_S = 120.0
"""A question without an outcome by then hangs."""
QUIET, NUM_QUIET = 5, 100
WAVES = 1.5
"""How often the streams of the load are begun anew."""
WARM_UP = 0.2
"""Share of the questions after which memory is looked at."""
FLAT_BYTES = 256
"""Growth a question, at most, that is called flat: 5 MB in 20,000."""
CLIENTS = 32
"""Of the questions for memory."""

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pace:
    """How the simulated upstream answers."""

    ttft_s: float
    token_s: float
    tokens: int

    @property
    def seconds(self) -> float:
        """From the question to the answer's end."""
        return self.ttft_s + (self.tokens - 1) * self.token_s

    @property
    def options(self) -> list[str]:
        """The upstream's own."""
        return ["--ttft-s", str(self.ttft_s), "--token-s", str(self.token_s), "--tokens", str(self.tokens)]


CASES = {
    "quiet": Pace(ttft_s=0.05, token_s=0.02, tokens=20),
    "loaded": Pace(ttft_s=0.5, token_s=0.75, tokens=16),
}
SHORT = Pace(ttft_s=0.0, token_s=0.0, tokens=10)


@dataclass(frozen=True, slots=True)
class System:
    """A way to the upstream."""

    name: str
    open: Callable[[Path, int], Any]
    """(scratch folder, upstream's port) → context of (process id or None, address), or of a text: why not."""
    model: str = "simulated"
    calls: int = 1
    """Upstream calls, one after the other."""


@contextmanager
def _direct(scratch: Path, port: int) -> Generator[tuple[int | None, str]]:
    del scratch
    yield None, f"http://127.0.0.1:{port}/v1"


def _ours(further: str = "") -> Callable[[Path, int], Any]:
    @contextmanager
    def start(scratch: Path, port: int) -> Generator[tuple[int, str]]:
        with abruzzi(scratch, port, further=further) as (process, url):
            yield process.pid, url

    return start


def _peer(peer: Peer, folder: Path) -> Callable[[Path, int], Any]:
    @contextmanager
    def start(scratch: Path, port: int) -> Generator[tuple[int, str] | str]:
        missing = install(peer, folder)
        if missing is not None:
            yield f"cannot be installed: {missing}"
        else:
            with running(peer, folder, scratch, port) as started:
                yield started

    return start


def list_systems(peers: Path) -> list[System]:
    """List what is measured."""
    without_canary = "[serve.guard]\ncanary = false"
    return [
        System("direct", _direct),
        System("abruzzi, plain", _ours()),
        System("abruzzi, plain, no canary", _ours(without_canary)),
        System("abruzzi-single", _ours(), model="abruzzi-single"),
        System("abruzzi", _ours(), model="abruzzi", calls=2),
        *(System(f"{peer.name} {peer.version}", _peer(peer, peers / peer.name)) for peer in PEERS),
    ]


async def ask_at_pace(url: str, model: str, num: int, over_s: float) -> tuple[list[Heard], int]:
    """Ask questions that begin evenly within so many seconds; returns also how many ran at once at most."""
    now = most = 0

    async def one(number: int) -> Heard:
        nonlocal now, most
        await asyncio.sleep(number * over_s / num)
        now += 1
        most = max(most, now)
        try:
            return await ask(url, within_s=WITHIN_S, key=KEY, model=model)
        finally:
            now -= 1

    return await asyncio.gather(*(one(number) for number in range(num))), most


async def ask_in_turn(
    url: str, ways: Sequence[Found], num: int, clients: int, tell: Callable[[int], None] = lambda done: None
) -> list[Heard]:
    """Ask questions by so many clients, each the next one when it has its answer."""
    heard: list[Heard] = []
    numbers = iter(range(num))

    async def client() -> None:
        for number in numbers:
            heard.append(await ask(url, within_s=WITHIN_S, key=KEY, **ways[number % len(ways)]))
            tell(len(heard))

    await asyncio.gather(*(client() for _ in range(clients)))
    return heard


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return the median and the 99th percentile; None of fewer than two values."""
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [None] * 99
    return {"p50": cuts[49], "p99": cuts[98]}


def describe(heard: Sequence[Heard], pace: Pace, calls: int) -> Found:
    """Put what clients heard into figures, in ms: how much later than at the upstream's own pace it came.

    ``first_sign`` alone counts from the question: a piece of reasoning or of the answer, whichever comes first.
    """
    whole = [one for one in heard if one.outcome is Outcome.DONE]
    upstream_s = pace.seconds + (calls - 1) * pace.ttft_s
    series = {
        "first_sign": [one.first_at - one.asked_at for one in whole if one.first_at],
        # Whoever waits for several calls before it chooses has no tokens to be on time with.
        "first_token": [one.content_at - one.asked_at - pace.ttft_s for one in whole if one.content_at and calls == 1],
        "token": [late for one in whole for late in one.lateness_s if calls == 1],
        "whole": [one.ended_at - one.asked_at - upstream_s for one in whole],
    }
    found = count_outcomes(heard)
    for name, values in series.items():
        found[name] = percentiles([1000 * seconds for seconds in values])
    return found


def count_outcomes(heard: Sequence[Heard]) -> Found:
    """Count how questions ended; their sum is what was asked."""
    outcomes = Counter(one.outcome.value for one in heard)
    return {"asked": len(heard), "outcomes": outcomes, "codes": Counter(one.code for one in heard if one.code)}


def measure(system: System, streams: int) -> Found:
    """Measure one system, quiet and under load; or say why it cannot be."""
    found: Found = {"system": system.name}
    with upstream() as (_, port):
        pass  # each case starts its own there
    with tempfile.TemporaryDirectory() as folder, system.open(Path(folder), port) as opened:
        if isinstance(opened, str):
            return {**found, "missing": opened}
        pid, url = opened
        for case, pace in CASES.items():
            with upstream("--stamps", *pace.options, port=port) as (source, _):
                asyncio.run(ask_in_turn(url, [{"model": system.model}], 2 * QUIET, QUIET))  # to warm up
                begun, cpu_s = time.monotonic(), read_costs(pid, source.pid)
                heard, most = asyncio.run(ask_case(case, url, system.model, streams))
                seconds = time.monotonic() - begun
                used = {who: after - cpu_s[who] for who, after in read_costs(pid, source.pid).items()}
            found[case] = {
                **describe(heard, pace, system.calls),
                "most_at_once": most,
                "seconds": seconds,
                "proxy_cpu_ms_a_question": 1000 * used["proxy"] / len(heard),
                **{f"{who}_cores": spent / seconds for who, spent in used.items()},
            }
    return found


def read_costs(proxy: int | None, source: int) -> dict[str, float]:
    """Read the CPU seconds of all three."""
    proxy_s = 0.0 if proxy is None else read_cpu_s(proxy)
    return {"proxy": proxy_s, "upstream": read_cpu_s(source), "client": time.process_time()}


async def ask_case(case: str, url: str, model: str, streams: int) -> tuple[list[Heard], int]:
    """Ask the questions of a case; returns also how many ran at once at most."""
    if case == "quiet":
        return await ask_in_turn(url, [{"model": model}], NUM_QUIET, QUIET), QUIET
    return await ask_at_pace(url, model, round(WAVES * streams), WAVES * CASES[case].seconds)


def measure_memory(num: int) -> Found:
    """Ask ours many questions in all ways, and watch its resident memory."""
    samples: list[tuple[int, int]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        upstream(*SHORT.options) as (_, port),
        abruzzi(Path(folder), port) as (process, url),
    ):

        def tell(done: int) -> None:
            if done % 100 == 0:
                samples.append((done, read_rss_bytes(process.pid)))

        started = time.monotonic()
        heard = asyncio.run(ask_in_turn(url, WAYS, num, CLIENTS, tell))
        seconds = time.monotonic() - started
        stored = sum(path.stat().st_size for path in Path(folder).glob("questions.db*"))
    warm = [(done, rss) for done, rss in samples if done > WARM_UP * num]
    slope = statistics.linear_regression(*zip(*warm, strict=True)).slope
    return {
        **count_outcomes(heard),
        "seconds": seconds,
        "warm_up": int(WARM_UP * num),
        "rss_mb_first": samples[0][1] / 1e6,
        "rss_mb_min": min(rss for _, rss in warm) / 1e6,
        "rss_mb_max": max(rss for _, rss in warm) / 1e6,
        "rss_mb_last": samples[-1][1] / 1e6,
        "bytes_a_question": slope,
        "is_flat": slope <= FLAT_BYTES,
        "store_mb": stored / 1e6,
        "rss_mb": [[done, round(rss / 1e6, 2)] for done, rss in samples[:: max(1, len(samples) // 50)]],
    }


def write_rows(rows: Sequence[Found], case: str) -> str:
    """Write a table of one case; ``over direct`` is the same quantile's distance from the row ``direct``."""
    columns = (
        "system",
        "done",
        "most at once",
        "first sign, ms",
        "first token, ms",
        "over direct",
        "token, ms",
        "over direct",
    )
    columns += ("whole answer, ms", "CPU ms a question", "cores: proxy, client")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    floor = rows[0][case]
    for row in rows:
        if "missing" in row:
            lines.append(f"| {row['system']} | left out: {row['missing']!r} |" + " |" * (len(columns) - 2))
            continue
        one = row[case]

        def pair(name: str, one: Found = one, *, is_over: bool = False) -> str:
            if None in one[name].values():
                return "none"
            floors = floor[name] if is_over else {"p50": 0.0, "p99": 0.0}
            return ", ".join(f"{at - floors[share]:,.1f}" for share, at in one[name].items())

        cells = (
            row["system"],
            f"{one['outcomes'].get('done', 0):,} of {one['asked']:,}",
            f"{one['most_at_once']:,}",
            pair("first_sign"),
            *(cell for name in ("first_token", "token") for cell in (pair(name), pair(name, is_over=True))),
            pair("whole"),
            f"{one['proxy_cpu_ms_a_question']:.1f}",
            f"{one['proxy_cores']:.2f}, {one['client_cores']:.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--peers", type=Path, default=Path("build/peers").resolve())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", action="append", default=[])
    wanted = parser.parse_args()
    systems = [
        one
        for one in list_systems(wanted.peers)
        if one.name == "direct" or not wanted.only or any(word in one.name for word in wanted.only)
    ]
    say = sys.stdout.write
    load = [round(one, 1) for one in os.getloadavg()]
    say(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load before {load}\n\n")
    rows: list[Found] = []
    for system in systems:
        sys.stderr.write(f"{system.name} …\n")
        rows.append(measure(system, wanted.streams))
    for case, pace in CASES.items():
        say(f"{case}: {pace}; p50, p99\n\n{write_rows(rows, case)}\n")
    memory = measure_memory(wanted.requests) if wanted.requests else None
    say(f"memory: {json.dumps(memory, indent=1)}\n")
    if wanted.json is not None:
        wanted.json.parent.mkdir(parents=True, exist_ok=True)
        wanted.json.write_text(json.dumps({"load": load, "systems": rows, "memory": memory}, indent=1) + "\n")


if __name__ == "__main__":
    main()
