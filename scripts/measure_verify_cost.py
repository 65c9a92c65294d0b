"""Measures what verifying drafted tokens costs on the embedded engine, and draws what drafts are then worth.

    taskset -c 1 .venv/bin/python scripts/measure_verify_cost.py measure [--shape Qwen/Qwen2.5-1.5B] [--precision q8_0]
        [--contexts 256 1024] [--positions 1 2 3 4 6 8 9 12 16 17] [--repeats 5] [--threads 1] --json FILE
    .venv/bin/python scripts/measure_verify_cost.py show FILE… [--acceptance NAME=RATE,DRAFT,TOKENS]…
        [--predict 8xh100] [--unit cpu|wall] [--svg FILE]

``measure``: a shape of ``abruzzi.capacity.shapes`` gets random weights, as a GGUF file under ``--folder`` that is kept;
how long a pass takes does not depend on their values. ``--shape embedded`` takes the embedded model's real file.

A pass of k positions is one that verifies k − 1 drafted tokens, by the engine itself: its n-gram lookup drafts from a
prompt with a period, every draft counts as accepted (llama.cpp's ``synth_rates``, made for benchmarks: what a pass
costs is the same, whatever is accepted), and the limit on the completion leaves room for k − 1 drafted tokens. The
engine's counts of drafted and accepted tokens are held against that. A pass is the request for 1 + k tokens less the
request for 1, medians of both; the prompt but for its last token is in the cache. ``steps`` are eight single steps in a
row without a draft, per step. All are measured in turn, in a new order each time.

The engine runs within this process, with the settings of ``abruzzi.engine.worker``. CPU seconds are the process's, of
all threads; with more threads than one read wall seconds, on a quiet machine. ``copy`` is ``measure_capacity``'s, from
before and after; "memory limit" is what reading weights and cache at its speed would take, as a share of what was
measured.

``show`` prints Markdown. RATE is accepted ÷ drafted tokens, DRAFT the tokens of a draft, TOKENS those that a pass
yields on average, passes without a draft included; without TOKENS every pass has a draft. ``--predict`` puts the
roofline's costs of a 32B model beside the measured ones.
"""

# Matplotlib's stubs leave the type of keyword arguments open.
# pyright: reportUnknownMemberType=false

import argparse
import importlib
import json
import os
import random
import shlex
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
import platformdirs
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter, TokenType
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from measure_capacity import measure_copy
from plot_seconds import write_standalone

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.passes import decode_pass
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES, ModelShape
from abruzzi.capacity.verification import Observed, PassCosts, best_draft, break_even, observed_speed_up
from abruzzi.cli.bench_record import describe_run, write_line
from abruzzi.engine.cores import limit_spinning
from abruzzi.engine.weights import BASE, fetch_base
from abruzzi.errors import ConfigError
from abruzzi.pages import canvas as drawing
from abruzzi.pages.looks import INK, PAPER, SOFT, look

EMBEDDED = "embedded"
KINDS = {"f16": Kind.F16, "q8_0": Kind.Q8_0, "q4_0": Kind.Q4_0, "q4_1": Kind.Q4_1}
BLOCK_ROWS = 64
"""Rows that are drawn; a matrix repeats them."""
NUM_STEPS = 8
BATCH_TOKENS = 128
NGRAM = 3
NUM_BYTES = 256
HIGHEST = 9
"""Speed-up, at the top of the drawing."""
PREDICTED, PREDICTED_CONTEXT = "Qwen/Qwen2.5-32B", 8000
ACCEPTANCES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
FINE = tuple(step / 200 for step in range(200))


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one pass."""

    context_tokens: int
    positions: int
    """0: a single step, the mean of ``NUM_STEPS`` in a row."""
    cpu_s: float
    wall_s: float
    spread: float
    """Largest ÷ smallest CPU time of the repeats' requests."""


# Random weights of a real shape


def write_random(shape: ModelShape, kind: Kind, file: Path) -> None:
    """Write a model of random weights, with a vocabulary of single bytes and unused tokens.

    Raises:
        OSError: the file cannot be written.
    """
    name = "qwen2" if shape.has_qkv_bias else "llama"
    partial = file.with_suffix(".partial")
    writer = GGUFWriter(partial, name)
    writer.add_name(file.stem)
    writer.add_block_count(shape.layers)
    writer.add_context_length(32768)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape.vocabulary)
    letters = [chr(NUM_BYTES + value) if value < 33 or value > 126 else chr(value) for value in range(NUM_BYTES)]
    tokens = [*letters, "ab", *(f"[UNUSED{number}]" for number in range(NUM_BYTES + 1, shape.vocabulary))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.NORMAL] * len(tokens))
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
    tensors = list(_tensors(shape))
    for tensor, rows, width in tensors:
        own = _kind(rows, width, kind)
        block, size = gguf.GGML_QUANT_SIZES[own]
        dims = (width,) if rows == 1 else (rows, width)
        writer.add_tensor_info(tensor, dims, np.dtype(np.float32), rows * width // block * size, raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(7)
    drawn: dict[tuple[int, Kind], np.ndarray] = {}
    for tensor, rows, width in tensors:
        own = _kind(rows, width, kind)
        if rows == 1:
            fill = 1.0 if "norm" in tensor else 0.0
            writer.write_tensor_data(np.full(width, fill, np.float32))
            continue
        if (width, own) not in drawn:
            plain = rng.normal(0.0, 0.02, (BLOCK_ROWS, width)).astype(np.float32)
            drawn[width, own] = gguf.quantize(plain, own)
        writer.write_tensor_data(np.tile(drawn[width, own], (-(-rows // BLOCK_ROWS), 1))[:rows])
    writer.close()
    partial.rename(file)


def _tensors(shape: ModelShape) -> Sequence[tuple[str, int, int]]:
    """Name, rows and width of every tensor; one row for a vector."""
    hidden, queries, keys = shape.hidden, shape.query_width, shape.kv_width
    found = [("token_embd.weight", shape.vocabulary, hidden), ("output_norm.weight", 1, hidden)]
    if not shape.is_tied:
        found.append(("output.weight", shape.vocabulary, hidden))
    for layer in range(shape.layers):
        parts = [
            ("attn_norm.weight", 1, hidden),
            ("attn_q.weight", queries, hidden),
            ("attn_k.weight", keys, hidden),
            ("attn_v.weight", keys, hidden),
            ("attn_output.weight", hidden, queries),
            ("ffn_norm.weight", 1, hidden),
            ("ffn_gate.weight", shape.intermediate, hidden),
            ("ffn_up.weight", shape.intermediate, hidden),
            ("ffn_down.weight", hidden, shape.intermediate),
        ]
        if shape.has_qkv_bias:
            parts += [("attn_q.bias", 1, queries), ("attn_k.bias", 1, keys), ("attn_v.bias", 1, keys)]
        found += [(f"blk.{layer}.{name}", rows, width) for name, rows, width in parts]
    return found


def _kind(rows: int, width: int, kind: Kind) -> Kind:
    if rows == 1:
        return Kind.F32
    return kind if width % gguf.GGML_QUANT_SIZES[kind][0] == 0 else Kind.F16


def find_model(shape_name: str, precision: str, folder: Path) -> Path:
    """Find the model's file, or write it."""
    if shape_name == EMBEDDED:
        return fetch_base(platformdirs.user_cache_path("abruzzi"))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{shape_name.rpartition('/')[2]}-random-{precision}.gguf"
    if not file.is_file():
        write_random(SHAPES[shape_name], KINDS[precision], file)
    return file


# Measuring


class Server:
    """The engine within this process; drafts of up to ``drafted`` tokens, all of them accepted."""

    def __init__(self, model: Path, *, threads: int, context_tokens: int, drafted: int) -> None:
        limit_spinning(os.environ)  # read as the library is loaded
        native: Any = importlib.import_module("xllamacpp")
        params = native.CommonParams()
        params.model.path = str(model)
        params.n_parallel, params.n_ctx, params.kv_unified = 1, context_tokens, False
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.cache_ram_mib = 0
        params.ui = params.warmup = params.fit_params = False
        params.verbosity = 1
        params.speculative.types = [native.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
        params.speculative.ngram_simple.size_n, params.speculative.ngram_simple.size_m = NGRAM, drafted
        params.speculative.synth_rates = [1.0] * drafted
        self._server = native.Server(params)

    def request(self, prompt: list[int], tokens: int, forced: int) -> tuple[float, float, int]:
        """Ask for so many tokens, where all that are sampled are ``forced``.

        Returns:
            CPU seconds, wall seconds, drafted tokens.
        """
        body: dict[str, Any] = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        body |= {"cache_prompt": True, "logit_bias": [[forced, 1000.0]]}
        cpu, wall = time.process_time(), time.perf_counter()
        reply: dict[str, Any] = self._server.handle_completions(body)
        taken = time.process_time() - cpu, time.perf_counter() - wall
        timings = cast("dict[str, int]", reply.get("timings", {}))
        if timings.get("predicted_n") != tokens:
            raise SystemExit(f"the engine made {timings.get('predicted_n')} tokens of {tokens}: {str(reply)[:300]}")
        drafted = timings.get("draft_n", 0)
        if timings.get("draft_n_accepted", 0) != drafted:
            raise SystemExit(f"the engine accepted {timings['draft_n_accepted']} of {drafted} drafted tokens; all hold")
        return *taken, drafted


def measure_context(
    server: Server, prompt: list[int], forced: int, other: int, positions: Sequence[int], *, repeats: int
) -> list[Pass]:
    """Measure all passes after one prompt, which ends where ``forced`` would be next."""
    server.request(prompt, 1, forced)  # the prompt
    asked = [("base", 1, forced), ("steps", 1 + NUM_STEPS, other)] + [(str(k), 1 + k, forced) for k in positions]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in asked}
    rng = random.Random(7)
    for repeat in range(-1, repeats):
        for name, tokens, token in rng.sample(asked, len(asked)):
            cpu, wall, drafted = server.request(prompt, tokens, token)
            expected = int(name) - 1 if name.isdigit() else 0
            if drafted != expected:
                raise SystemExit(f"{drafted} tokens were drafted for {name!r}, and {expected} were expected")
            if repeat >= 0:  # the first round warms up
                found[name].append((cpu, wall))
        sys.stderr.write(f"context {len(prompt)}, round {repeat + 1}/{repeats}\n")
    middle = {name: [statistics.median(side) for side in zip(*taken, strict=True)] for name, taken in found.items()}
    passes: list[Pass] = []
    for name, (cpu, wall) in middle.items():
        if name == "base":
            continue
        times, places = (NUM_STEPS, 0) if name == "steps" else (1, int(name))
        cpus = [taken for taken, _ in found[name]]
        base_cpu, base_wall = middle["base"]
        passes.append(
            Pass(len(prompt), places, (cpu - base_cpu) / times, (wall - base_wall) / times, max(cpus) / min(cpus))
        )
    return passes


def measure(asked: argparse.Namespace) -> None:
    """Measure a model, and write what was found."""
    shape = SHAPES[asked.shape]
    model = find_model(asked.shape, asked.precision, asked.folder)
    drafted = max(asked.positions) - 1
    copies = measure_copy(4)
    context = max(asked.contexts) + max(drafted, NUM_STEPS) + 64
    server = Server(model, threads=asked.threads, context_tokens=context, drafted=drafted)
    rng = random.Random(3)
    *pattern, forced, other = rng.sample(range(NUM_BYTES + 10, min(40_000, shape.vocabulary)), drafted + 3)
    told: dict[str, Any] = {
        "machine": write_line(describe_run(shlex.join(sys.argv))),
        "shape": asked.shape,
        "precision": "q4_1" if asked.shape == EMBEDDED else asked.precision,
        "weight_bytes": BASE.num_bytes if asked.shape == EMBEDDED else model.stat().st_size,
        "threads": asked.threads,
        "repeats": asked.repeats,
        "copies": copies,
        "passes": [],
    }
    for tokens in sorted(asked.contexts):  # a longer one goes on from the one before
        prompt = ([*pattern, forced] * (tokens // (drafted + 2)))[:-1]
        found = measure_context(server, prompt, forced, other, asked.positions, repeats=asked.repeats)
        copies += measure_copy(4)
        told["passes"] += [asdict(one) for one in found]
        asked.json.write_text(json.dumps(told, indent=1) + "\n")  # at once: on a busy machine a context takes minutes
    sys.stdout.write(describe(told, "cpu" if asked.threads == 1 else "wall") + "\n")


# Showing


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured of one model after one prompt."""

    label: str
    context_tokens: int
    costs: PassCosts
    step_s: float
    """Of a single step in a row of them."""
    spreads: Mapping[int, float]
    limit_s: float
    """Of reading weights and cache at the copy's speed."""


def read_series(told: Mapping[str, Any], unit: str) -> list[Series]:
    """Read what ``measure`` wrote, one series a context."""
    shape, copy = SHAPES[told["shape"]], statistics.median(told["copies"])
    passes = [Pass(**one) for one in told["passes"]]
    found: list[Series] = []
    for context in sorted({one.context_tokens for one in passes}):
        own = {one.positions: one for one in passes if one.context_tokens == context}
        seconds = {places: one.cpu_s if unit == "cpu" else one.wall_s for places, one in own.items()}
        step = seconds.pop(0)
        read_bytes = told["weight_bytes"] + context * shape.kv_bytes_per_token
        found.append(
            Series(
                f"{_name(told)}, {context} tokens",
                context,
                PassCosts(seconds),
                step,
                {places: one.spread for places, one in own.items()},
                read_bytes / copy,
            )
        )
    return found


def predict_series(hardware: str, positions: Sequence[int]) -> Series:
    """Put the roofline's costs of the large model beside the measured ones."""
    replica = Replica(SHAPES[PREDICTED], find_machine(hardware))
    seconds = {
        places: decode_pass(replica, sequences=1, context_tokens=PREDICTED_CONTEXT, positions=places).seconds
        for places in positions
    }
    label = f"{PREDICTED.rpartition('/')[2]} on {hardware}, predicted"
    return Series(label, PREDICTED_CONTEXT, PassCosts(seconds), seconds[1], {}, 0.0)


def _name(told: Mapping[str, Any]) -> str:
    return f"{'SmolLM2-135M' if told['shape'] == EMBEDDED else told['shape'].rpartition('/')[2]} {told['precision']}"


def describe(told: Mapping[str, Any], unit: str) -> str:
    """Write what was measured of one model as Markdown."""
    copies = [rate / 1e9 for rate in told["copies"]]
    lines = [
        f"**{_name(told)}**, {told['weight_bytes'] / 1e9:.2f} GB; {told['threads']} thread(s), medians of "
        f"{told['repeats']}, {unit} seconds; copy {statistics.median(copies):.2f} GB/s ({min(copies):.2f} to "
        f"{max(copies):.2f}); {told['machine']}",
    ]
    for one in read_series(told, unit):
        step = one.costs.seconds[1]
        lines += [
            "",
            f"Context {one.context_tokens}: a single step in a row {1e3 * one.step_s:.1f} ms (spread "
            f"{one.spreads[0]:.2f}); memory limit {one.limit_s / one.step_s:.0%} of it.",
            "",
            "| positions | ms | spread | ÷ a step | as many single steps ÷ it | break-even |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for places, taken in sorted(one.costs.seconds.items()):
            even = break_even(one.costs, places - 1) if places > 1 else 0.0
            lines.append(
                f"| {places} | {1e3 * taken:.1f} | {one.spreads[places]:.2f} | {taken / step:.2f} | "
                f"{places * step / taken:.2f} | {'' if places == 1 else 'never' if even is None else f'{even:.2f}'} |"
            )
    return "\n".join(lines)


def compare(series: Sequence[Series], seen: Mapping[str, Observed]) -> str:
    """Write the best draft and its speed-up by acceptance, and what measured acceptances make of them."""
    head = " | ".join(one.label for one in series)
    lines = [f"| acceptance | {head} |", "| ---: |" + " ---: |" * len(series)]
    for acceptance in ACCEPTANCES:
        best = [best_draft(one.costs, acceptance) for one in series]
        cells = " | ".join("none" if not drafted else f"{gain:.2f} ({drafted})" for drafted, gain in best)
        lines.append(f"| {acceptance:.1f} | {cells} |")
    if seen:
        lines += [
            "",
            f"| measured | accepted | draft | passes with one | acceptance | {head} |",
            "| --- | ---: | ---: | ---: | ---: |" + " ---: |" * len(series),
        ]
    for name, one in seen.items():
        gains = " | ".join(f"{observed_speed_up(each.costs, one):.2f}" for each in series)
        lines.append(
            f"| {name} | {one.rate:.2f} | {one.draft_tokens} | {one.share:.0%} | {one.acceptance:.2f} | {gains} |"
        )
    return "\n".join(lines)


def draw(series: Sequence[Series], seen: Mapping[str, Observed]) -> str:
    """Draw what passes cost, and under it what drafts are worth over their acceptance; an ``svg`` element.

    The measured points stand on the costs of the first series.
    """
    with drawing.canvas("verify-cost"):
        figure = Figure(figsize=(drawing.WIDTH * 1.4, 2.1 * drawing.HEIGHT), layout="constrained")
        above, below = figure.subplots(2, 1)
        longest = max(max(one.costs.seconds) for one in series)
        above.plot([1, longest], [1, longest], color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
        above.text(longest - 1.2, longest, "single steps", color=SOFT, ha="right", va="top", fontsize=8)
        for number, one in enumerate(series):
            own = look(number)
            dash: Any = (0, own.dash) if own.dash else "-"
            places = sorted(one.costs.seconds)
            above.plot(
                places,
                [one.costs.ratio(place) for place in places],
                color=own.stand_in,
                marker=own.marker,
                markersize=4.5,
                markeredgecolor=PAPER,
                markeredgewidth=0.6,
                linestyle=dash,
                linewidth=1.4,
                label=one.label,
            )
            gains = [best_draft(one.costs, acceptance)[1] for acceptance in FINE]
            below.plot(FINE, gains, color=own.stand_in, linestyle=dash, linewidth=1.4)
        above.set_xlabel("Positions in a pass: drafted tokens and one more")
        above.set_ylabel("Pass, by single steps")
        below.axhline(1, color=SOFT, linewidth=0.9)
        for number, (name, one) in enumerate(seen.items()):
            own = look(0, number)
            gain = observed_speed_up(series[0].costs, one)
            below.plot(
                [one.acceptance], [gain], color=INK, marker=own.marker, markersize=6, linestyle="none", label=name
            )
        below.set_yscale("log", base=2)
        below.yaxis.set_major_locator(FixedLocator([0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16]))
        below.yaxis.set_minor_locator(NullLocator())
        below.yaxis.set_major_formatter(FuncFormatter(drawing.write_number))
        below.set_ylim(top=HIGHEST)
        below.set_xlabel("Acceptance of a drafted token, those before it accepted")
        below.set_ylabel("Speed-up with the best draft")
        above.legend(frameon=False, fontsize=8)
        if seen:
            below.legend(frameon=False, fontsize=8)
        told = [
            f"{one.label}: a pass of {max(one.costs.seconds)} takes {one.costs.ratio(max(one.costs.seconds)):.1f} steps"
            for one in series
        ]
        told += [
            f"{name}: {observed_speed_up(series[0].costs, one):.2f} at {one.acceptance:.2f}"
            for name, one in seen.items()
        ]
        return drawing.save_svg(figure, drawing.alt_text("Cost of verifying drafts, and the speed-up", told))


def show(asked: argparse.Namespace) -> None:
    """Print all tables; draw, where a file is given."""
    seen = dict(asked.acceptance)
    everything = [json.loads(file.read_text("utf-8")) for file in asked.files]
    series = [one for told in everything for one in read_series(told, asked.unit)]
    places = sorted({place for one in series for place in one.costs.seconds})
    series += [predict_series(hardware, places) for hardware in asked.predict]
    for told in everything:
        sys.stdout.write(describe(told, asked.unit) + "\n\n")
    sys.stdout.write(compare(series, seen) + "\n")
    if asked.svg is not None:
        write_standalone(draw(series, seen), asked.svg)


def read_acceptance(text: str) -> tuple[str, Observed]:
    """Read ``NAME=RATE,DRAFT,TOKENS``.

    Raises:
        ArgumentTypeError: it is not that, or cannot be.
    """
    name, _, values = text.rpartition("=")
    try:
        rate, drafted, *tokens = (float(value) for value in values.split(","))
        return name, Observed(rate, int(drafted), tokens[0] if tokens else 1 + rate * drafted)
    except (ValueError, ConfigError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=RATE,DRAFT,TOKENS: {error}") from error


def main() -> None:
    """Measure or show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--shape", default="Qwen/Qwen2.5-1.5B", choices=sorted(SHAPES))
    measuring.add_argument("--precision", default="q8_0", choices=sorted(KINDS))
    measuring.add_argument("--contexts", type=int, nargs="+", default=[256, 1024])
    measuring.add_argument("--positions", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8, 9, 12, 16, 17])
    measuring.add_argument("--repeats", type=int, default=5)
    measuring.add_argument("--threads", type=int, default=1)
    measuring.add_argument("--folder", type=Path, default=platformdirs.user_cache_path("abruzzi") / "random")
    measuring.add_argument("--json", type=Path, required=True)
    showing = commands.add_parser("show")
    showing.add_argument("files", type=Path, nargs="+")
    showing.add_argument("--acceptance", type=read_acceptance, action="append", default=[])
    showing.add_argument(
        "--predict", nargs="*", default=[], help="machines to predict the 32B model on, such as 8xh100"
    )
    showing.add_argument("--unit", choices=["cpu", "wall"], default="cpu")
    showing.add_argument("--svg", type=Path)
    asked = parser.parse_args()
    if asked.command == "measure":
        measure(asked)
    else:
        show(asked)


if __name__ == "__main__":
    main()
