"""Measures the contamination search on planted items; prints one JSON object a line, what to read by hand to stderr.

    .venv/bin/python scripts/measure_contamination.py ../shared/data [--workers 2] [--seed 4]

A benchmark of 100 items (50 of MATH-500, 50 of GSM8K) is hidden in 20,000 training rows in five ways, each item once in
each way that can be applied to it: ``verbatim``; ``respelt`` (LaTeX, numbers, Unicode and Markdown written otherwise);
``reordered`` (sentences, or the clauses of an only one, in another order); ``embedded`` (among other questions or in
prose); ``paraphrased`` (words exchanged, sentences turned, then reordered; no target).

The other rows are not these items, but as near to them as could be found: other questions of all sets of the folder;
every question again with other numbers, the 100 items themselves most of all, one number or all of them changed; and
GSM8K's templates with other numbers, names and things, as reasoning-gym makes them. A row that repeats an item by the
nature of the sets (MATH in Omni-MATH, say) would count as a false hit; whatever is hit among them is printed, so that
it can be read. ``altered`` rows (one word exchanged that makes it another question: largest, smallest) are not in the
20,000 and are counted apart, since a detector of near-duplicates finds them by design.

All questions of the two benchmark sets are also looked for in all other sets as they are, and those of MATH-500 in
PRMBench, which copied and altered them by its own ways, for hits and misses to be read by hand. ``siblings`` tells in
how many rows of a set another item of the same set is found.

Then the command is timed with 5,000, 20,000 and 80,000 rows, start and all, to be extrapolated to a million.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from abruzzi.data.contamination.find import Detectors, Settings, find_contamination
from abruzzi.data.contamination.normalise import join_sentences, normalise
from abruzzi.data.contamination.report import Kind, Report, read_report
from abruzzi.data.items import Item
from abruzzi.data.training_rows import TrainingRow

NUM_ROWS = 20_000
SIZES = (5_000, 20_000, 80_000)
BENCHMARK_SETS = ("math_500", "gsm8k_test")
OTHER_SETS = (
    *("omni_math_rule", "olympiadbench_math_en", "scibench", "theoremqa", "minerva_math", "olymmath_en", "amc23"),
    *("aime_2024", "aime_2025", "cmimc_2024", "hmmt_feb_2024", "hmmt_feb_2025", "mmlu_pro_sample", "bbh"),
    *("humaneval", "mbpp_sanitized", "logiqa_test", "resp_zeroeval_math_l5"),
)
SIBLING_SETS = ("tatqa_test", "logiqa2_test", "folio_validation", "knights_knaves", "zebra_reasoning_gym", "ifeval")
NUM_TEMPLATES = 2_000
NUM_VARIANTS = 20
"""Rows with other numbers for each of the 100 items, half of them with one number changed only."""

Rewrite = Callable[[str, random.Random], str | None]


def respell(text: str, rng: random.Random) -> str | None:
    """Write the formulas, numbers and marks of a text otherwise, figures apart; None if nothing came out otherwise."""
    changed, figure, rest = text.partition("[asy]")
    for pattern, choices in RESPELLINGS:
        if rng.random() < 0.7:
            changed = re.sub(pattern, lambda match, c=choices: match.expand(rng.choice(c)), changed)
    if rng.random() < 0.3:
        changed = re.sub(r"\n\s*", " ", changed)
    if rng.random() < 0.3:
        changed = re.sub(r"^(\w+ \w+)", r"**\1**", changed)
    changed += figure + rest
    return changed if changed != text else None


RESPELLINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\\[dt]?frac(?=\{)", (r"\\dfrac", r"\\tfrac", r"\\frac")),
    (r"\\[dt]?frac\{(\d)\}\{(\d)\}", (r"\\frac\1\2", r"\\frac \1 \2", r"\\frac{\1}\2", r"\1/\2")),
    (r"\\left\s?([(\[|])", (r"\1", r"\\left\1", r"\\bigl\1")),
    (r"\\right\s?([)\]|])", (r"\1", r"\\right\1", r"\\bigr\1")),
    (r"(?<![\\a-z])\((?=[^()]{1,20}\))", ("(", r"\\left(", r"\\bigl(")),
    (r"(?<=[\w}])\^(\w)(?!\w)", (r"^{\1}", r"^ \1", r"^{ \1 }")),
    (r"(?<=[\w}])\^\{(\w)\}", (r"^\1", r"^{\1}")),
    (r"(?<=\w)_(\w)(?!\w)", (r"_{\1}", r"_\1")),
    (r"\\sqrt\{(\w)\}", (r"\\sqrt \1", r"\\sqrt{\1}", r"√\1")),
    (r"\\cdot\b|\\times\b", (r"\\cdot", r"\\times", "·", "×", "*")),
    (r"\\leq?\b", (r"\\le", r"\\leq", r"\\leqslant", "≤")),
    (r"\\geq?\b", (r"\\ge", r"\\geq", r"\\geqslant", "≥")),
    (r"\\neq?\b", (r"\\ne", r"\\neq", "≠")),
    (r"\\pi\b", (r"\\pi", "π", r"{\\pi}")),
    (r"\\[lc]?dots\b", (r"\\ldots", r"\\cdots", r"\\dots", "...")),
    (r"\^\\circ\b|\^\{\\circ\}", (r"^\\circ", r"^{\\circ}", "°")),
    (r"\\text\{", (r"\\text{", r"\\mathrm{", r"\\textrm{")),
    (r"(?<=[\w)}]) ?([-+=<>]) ?(?=[\w(\\])", (r" \1 ", r"\1", r"\\,\1\\,", r" \1~")),
    (r"(?<=\d),(?=\d{3})", (",", "{,}", "", r",\\!")),
    (r"(?<![\d.,])(\d{1,3})(\d{3})(?![\d.,])", (r"\1,\2", r"\1{,}\2", r"\1\2")),
    (r"(?<!\\)\$(?=\d[\d,.]*(?:[ .,?]|$))", (r"\\$", "$")),
    (r"\\?%", (r"\\%", "%", r"\\,\\%")),
    (r"(?<!\\)\$([^$\d][^$]{0,80}?)\$", (r"$\1$", r"\\(\1\\)", r"\\( \1 \\)", r"$ \1 $")),
    (r"\\\[(.{1,200}?)\\\]", (r"\\[\1\\]", r"$$\1$$", r"\\[ \1 \\]")),
    (r"(?<=\w)'(?=s\b)", ("'", "’")),
    (r"(?<=[.?!])\s+", (" ", "  ", "\n")),
    (r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", (r"\\begin{bmatrix}\1\\end{bmatrix}",)),
)  # fmt: skip


def reorder(text: str, rng: random.Random) -> str | None:
    """Put the sentences into another order, of an only sentence its clauses; None if there is just one of them."""
    sentences = [part for part in re.split(r"(?<=[.?!])\s+(?=[A-Z$\\])", text.strip()) if part]
    if len(sentences) > 1:
        return " ".join(shuffle(sentences, rng))
    clauses = re.fullmatch(r"(.{15,}?), (.{15,})([.?!])", text.strip(), re.DOTALL)
    return clauses and f"{clauses[2][0].upper()}{clauses[2][1:]}, {clauses[1][0].lower()}{clauses[1][1:]}{clauses[3]}"


def shuffle(parts: Sequence[str], rng: random.Random) -> list[str]:
    """Return the parts in an order that is not theirs."""
    while (shuffled := rng.sample(parts, len(parts))) == list(parts):
        pass
    return shuffled


PROSE = (
    "Good evening, and thank you for the notes of last week. My daughter sat over her homework until ten, and this is "
    "what she brought back from school, copied from the board as well as she could:",
    "I have two exams on Thursday and the teacher only said that one of the problems of last year will come again. A "
    "friend from the other class wrote this one down for me.",
    "You are a patient tutor. The student below has tried for {a} minutes and is about to give up. Do not give the "
    "result away at once; ask what the student knows, and go on from there.",
    "Section {a}.{b}. Exercises of this section train what section {b} explained. Take your time, write every step on "
    "its own line, and check the result by putting it back into the text.",
)
CLOSINGS = (
    "Please explain every step, because I have to show it to the class tomorrow. The last time I only had the answer, "
    "and that was not enough for my teacher.",
    "Write the final result in a box. If there is more than one way to solve it, show the shorter one first and say in "
    "two sentences why the other one works as well.",
    "(From a collection of {a} problems, number {b}. Solutions are in the appendix.)",
)


def embed(text: str, rng: random.Random, others: Sequence[str]) -> str:
    """Put a question among other questions, or into prose."""
    if rng.random() < 0.5:
        parts = [*rng.sample(others, 3), text, *rng.sample(others, 3)]
        return "\n\n".join(f"{number}. {part}" for number, part in enumerate(parts, start=1))
    numbers = {"a": rng.randint(2, 60), "b": rng.randint(2, 60)}
    glue = rng.choice(("\n\n", "\n", " "))
    return glue.join((rng.choice(PROSE).format(**numbers), text, rng.choice(CLOSINGS).format(**numbers)))


SYNONYMS = {
    "buys": "purchases", "bought": "purchased", "gets": "receives", "makes": "earns", "decides to": "chooses to",
    "How many": "What is the number of", "how many": "what number of", "How much": "What amount of",
    "how much": "what amount of", "total": "overall", "each": "every single", "every": "each", "Find": "Determine",
    "Compute": "Work out", "Evaluate": "Calculate", "Simplify": "Write in simplest form", "What is": "Give",
    "what is": "determine", "Express": "State", "has": "owns", "sells": "offers for sale", "wants to": "would like to",
    "needs": "requires", "more than": "above", "less than": "below", "left": "remaining", "also": "in addition",
    "then": "after that", "half": "one half", "twice": "two times", "week": "seven-day week", "cost": "price",
    "costs": "is priced at", "positive integer": "natural number", "such that": "for which", "Let": "Suppose",
    "be a": "denote a", "real number": "real value", "value": "worth", "if": "provided that", "If": "Given that",
    "hours": "h", "minutes": "min", "people": "persons", "children": "kids", "house": "home", "money": "cash",
}  # fmt: skip
NAMES = re.compile(r"(?<=[a-z,.?!] )[A-Z][a-z]{2,}\b|^[A-Z][a-z]{2,}(?= [a-z]+s )")


def paraphrase(text: str, rng: random.Random) -> str | None:
    """Exchange words and names by rule and turn the sentences round; None if no word was exchanged."""
    words = sorted(SYNONYMS, key=len, reverse=True)
    changed = re.sub(rf"\b(?:{'|'.join(words)})\b", lambda match: SYNONYMS[match[0]], text)
    names = {name: rng.choice(("Tarek", "Ilse", "Mbali", "Oskar", "Yuki")) for name in NAMES.findall(text)}
    for name, other in names.items():
        changed = re.sub(rf"\b{name}\b", other, changed)
    return None if changed == text else reorder(changed, rng) or changed


OPPOSITES = {
    "largest": "smallest", "smallest": "largest", "greatest": "least", "least": "greatest", "maximum": "minimum",
    "minimum": "maximum", "positive": "negative", "sum": "product", "product": "sum", "area": "perimeter",
    "perimeter": "area", "more": "fewer", "fewer": "more", "sin": "cos", "cos": "sin", "odd": "even", "even": "odd",
    "increased": "decreased", "decreased": "increased", "total": "average", "week": "month", "day": "hour",
}  # fmt: skip


def alter(text: str) -> str | None:
    """Exchange one word for its opposite, so that it is another question; None if there is none."""
    found = re.search(rf"\b(?:{'|'.join(OPPOSITES)})\b", text)
    return found and text[: found.start()] + OPPOSITES[found[0]] + text[found.end() :]


NUMBER = re.compile(r"(?<![\w.,])\d+(?![\w]|[.,]\d)|(?<=[ ($^{=+*-])\d+(?=[ )$}=+*a-z.,?-])")


def renumber(text: str, rng: random.Random, *, only_one: bool) -> str | None:
    """Change one whole number of a text, or all of them; None if it has none."""
    found = list(NUMBER.finditer(text))
    if not found:
        return None
    chosen = {rng.randrange(len(found))} if only_one else set(range(len(found)))
    pieces, end = list[str](), 0
    for number, match in enumerate(found):
        old = int(match[0])
        new = old + rng.randint(1, max(3, old)) if number in chosen else old
        pieces += [text[end : match.start()], str(new)]
        end = match.end()
    return "".join([*pieces, text[end:]])


def read_questions(folder: Path, names: Sequence[str]) -> dict[str, Item]:
    """Read the questions of sets, each once, by their text."""
    found: dict[str, Item] = {}
    for name in names:
        for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines():
            record: dict[str, Any] = json.loads(line)
            found.setdefault(record["question"].strip(), Item(record["id"], record["question"], "", "math"))
    return found


def make_negatives(items: Sequence[Item], others: Sequence[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield rows that hold none of the items, each with what it is; endless."""
    yield from (("other question", text) for text in others)
    for item in items:
        for count in range(NUM_VARIANTS):
            only_one = count % 2 == 0
            text = renumber(item.question, rng, only_one=only_one)
            if text is not None:
                yield "item, one number changed" if only_one else "item, all numbers changed", text
    dataset: Any = import_module("reasoning_gym").create_dataset("gsm_symbolic", size=NUM_TEMPLATES, seed=7)
    yield from (("reasoning-gym template", entry["question"]) for entry in dataset)
    while True:
        for text in others:
            variant = renumber(text, rng, only_one=False)
            if variant is not None:
                yield "other question, numbers changed", variant


def to_record(key: str, text: str, number: int) -> dict[str, Any]:
    """Lay a row out as training sets do, one layout after the other."""
    reply = "First I look at what is given. Then I do the sum, and the result is what was asked for."
    layouts: tuple[dict[str, Any], ...] = (
        {"question": text, "answer": reply},
        {"problem": text, "solution": reply},
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": reply}]},
        {"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": reply}]},
        {"prompt": [{"role": "user", "content": text}], "reward_model": {"ground_truth": "7"}},
        {"instruction": text, "input": "", "output": reply},
        {"text": text},
    )
    return {"id": key, **layouts[number % len(layouts)]}


def write_rows(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write rows of id and text as JSON Lines."""
    with path.open("w", encoding="utf-8") as stream:
        for number, (key, text) in enumerate(rows):
            stream.write(json.dumps(to_record(key, text, number), ensure_ascii=False) + "\n")


TIMER = """
import json, resource, subprocess, sys, time
started = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
wall, usage = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
cpu, size = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
print(json.dumps({"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "largest_process_mib": round(size)}))
"""
"""A process of its own, since the size of a child counts its parent's until it runs its own program."""


def time_command(items: Sequence[Item], rows: Sequence[tuple[str, str]], folder: Path, workers: int) -> Report:
    """Search rows from a file by the command line, in processes of its own, and print what it cost."""
    train, benchmark, out = folder / "train.jsonl", folder / "planted.jsonl", folder / "report.json"
    write_rows(train, rows)
    lines = (json.dumps({"id": item.id, "question": item.question, "answer": "?"}) + "\n" for item in items)
    benchmark.write_text("".join(lines), "utf-8")
    command = [sys.executable, "-m", "abruzzi", "data", "contamination", str(train), "-b", str(benchmark)]
    command += ["--out", str(out), "--workers", str(workers)]
    timed = subprocess.run([sys.executable, "-c", TIMER, *command], check=True, stdout=subprocess.PIPE)  # noqa: S603
    cost: dict[str, Any] = json.loads(timed.stdout)
    report = read_report(out)
    found = {
        "rows": report.training[0].rows,
        "malformed": report.training[0].malformed,
        "dirty_rows": report.training[0].dirty_rows,
        "dirty_items": report.num_dirty,
        "megabytes": round(train.stat().st_size / 1e6, 1),
        **cost,
    }
    tell(sys.stdout, found)
    return report


def measure_recall(items: Sequence[Item], planted: dict[str, list[tuple[str, str]]]) -> None:
    """Print for each way how many planted items are found, and how; the missed ones go to stderr."""
    for way, rows in planted.items():
        report = find_contamination(
            {"planted": items}, (TrainingRow(way, number, (text,), key) for number, (key, text) in enumerate(rows))
        )
        kinds = {match.item: match.kind for match in report.benchmarks[0].dirty if match.row_id == match.item}
        for key, text in rows:
            if key not in kinds:
                tell(sys.stderr, {"missed": way, "item": key, "text": text})
        found = Counter(kinds.values())
        share = round(len(kinds) / len(rows), 4)
        tell(sys.stdout, {"way": way, "planted": len(rows), "found": len(kinds), "recall": share, **found})


def measure_false_hits(items: Sequence[Item], negatives: Sequence[tuple[str, str]]) -> int:
    """Print how many rows that are no item are hit, by what they are; each goes to stderr to be read."""
    hits = Counter[str]()
    for start in range(0, len(negatives), 1000):
        hits.update(show_hits(items, negatives[start : start + 1000]))
    counts = Counter(what for what, _ in negatives)
    for what, count in counts.items():
        tell(sys.stdout, {"not planted": what, "rows": count, "hit": hits[what]})
    return hits.total()


def show_hits(items: Sequence[Item], rows: Sequence[tuple[str, str]]) -> Counter[str]:
    """Search rows and take out what was hit, until nothing is: a report names one row for an item."""
    hits = Counter[str]()
    left = {str(number): row for number, row in enumerate(rows)}
    while True:
        stream = (TrainingRow(what, int(key), (text,), key) for key, (what, text) in left.items())
        dirty = find_contamination({"planted": items}, stream).benchmarks[0].dirty
        if not dirty:
            return hits
        for key in {match.row_id or "" for match in dirty}:
            what, _ = left.pop(key)
            hits[what] += 1
        for match in dirty:
            question = next(item.question for item in items if item.id == match.item)
            row = rows[int(match.row_id or 0)][1]
            shown = {"hit": match.file, "kind": match.kind, "score": match.score, "item": match.item}
            tell(sys.stderr, {**shown, "question": question, "row": row})


def measure_copies(items: Sequence[Item], folder: Path) -> None:
    """Print how PRMBench's rows are found, which copied and altered questions of MATH; all but exact go to stderr."""
    kinds = Counter[str]()
    for text in read_questions(folder, ["steps_prmbench"]):
        dirty = find_contamination({"math_500": items}, [TrainingRow("", 1, (text,))]).benchmarks[0].dirty
        kind = str(dirty[0].kind) if dirty else "none"
        kinds[kind] += 1
        if kind != Kind.EXACT:
            tell(sys.stderr, {"copy": kind, "row": text, "items": [match.item for match in dirty]})
    tell(sys.stdout, {"PRMBench": kinds.total(), **kinds})


def measure_siblings(folder: Path) -> None:
    """Print for each set how many of its questions are found in another question of it."""
    for name in (*BENCHMARK_SETS, *OTHER_SETS, *SIBLING_SETS):
        texts = {join_sentences(normalise(text)): text for text in read_questions(folder, [name])}
        detectors = Detectors([normalise(text) for text in texts.values()], [range(len(texts))], Settings())
        num_hit = sum(len(detectors.find(text)) > 1 for text in texts.values())
        tell(sys.stdout, {"siblings in": name, "questions": len(texts), "hit": num_hit})


def tell(stream: Any, found: dict[str, Any]) -> None:
    """Write one line."""
    stream.write(json.dumps(found, ensure_ascii=False) + "\n")
    stream.flush()


def plant(items: Sequence[Item], others: Sequence[str], rng: random.Random) -> dict[str, list[tuple[str, str]]]:
    """Hide every item in every way that changes it; an item that a way cannot change is left out there."""
    ways: dict[str, Rewrite] = {
        "verbatim": lambda text, _: text,
        "respelt": respell,
        "reordered": reorder,
        "embedded": lambda text, rng: embed(text, rng, others),
        "paraphrased": paraphrase,
    }
    return {
        way: [(item.id, text) for item in items if (text := rewrite(item.question, rng)) is not None]
        for way, rewrite in ways.items()
    }


def main() -> None:
    """Measure recall, precision, and time."""
    parser = ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    benchmark: list[Item] = []
    for name in BENCHMARK_SETS:
        benchmark += rng.sample(list(read_questions(options.folder, [name]).values()), 50)
    chosen = {item.question.strip() for item in benchmark}
    others = [text for text in read_questions(options.folder, (*BENCHMARK_SETS, *OTHER_SETS)) if text not in chosen]
    planted = plant(benchmark, [text for text in others if len(text) < 600], rng)
    num_planted = sum(map(len, planted.values()))
    source = make_negatives(benchmark, others, rng)
    negatives = [next(source) for _ in range(NUM_ROWS - num_planted)]
    measure_recall(benchmark, planted)
    num_hit = measure_false_hits(benchmark, negatives)
    everything = list(read_questions(options.folder, BENCHMARK_SETS).values())
    foreign = [("question of another set", text) for text in read_questions(options.folder, OTHER_SETS)]
    measure_false_hits(everything, foreign)
    measure_copies(list(read_questions(options.folder, ["math_500"]).values()), options.folder)
    measure_siblings(options.folder)
    altered = [("altered", text) for item in benchmark if (text := alter(item.question)) is not None]
    measure_false_hits(benchmark, altered)
    rows = [*(row for way in planted.values() for row in way), *negatives]
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            rows += [next(source) for _ in range(size - len(rows))]
            sized = rows[:size]
            rng.shuffle(sized)
            found = time_command(benchmark, sized, Path(folder), options.workers).training[0]
            if size == NUM_ROWS:
                precision = round(1 - num_hit / found.dirty_rows, 4)
                tell(sys.stdout, {"dirty_rows": found.dirty_rows, "not planted": num_hit, "precision": precision})


if __name__ == "__main__":
    main()
