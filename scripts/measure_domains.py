"""Measures the domain verifiers on labelled public data kept beside the checkout; prints one JSON object a line.

    .venv/bin/python scripts/measure_domains.py ../shared/data [SET …]

Four questions: does each row's own answer, put into a reply, pass (``gold``)? Does the answer of another row of the set
fail (``foreign``)? Where the set has labelled responses, how often do the fixed and the published verdict agree with
the label (``labels``)? And on tables, how many numeric truths are accepted when the reply writes the same number in
another way, or another number (``written as …``)? Rows that answer one of the first three wrongly go to stderr, to be
read by hand.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.instructions import gold_reply_instructions, verify_instructions
from abruzzi.verifiers.logic import gold_reply_logic, verify_logic
from abruzzi.verifiers.procedural import gold_reply_procedural, verify_procedural
from abruzzi.verifiers.published.science import score_science
from abruzzi.verifiers.published.tables import score_tables
from abruzzi.verifiers.row import Row, Verify, WriteGold
from abruzzi.verifiers.science import gold_reply_science, verify_science
from abruzzi.verifiers.tables import Quantity, gold_reply_tables, read_quantity, verify_tables

Record = dict[str, Any]
MakeRows = Callable[[Record], Iterator[Row]]


def _as(source: str) -> MakeRows:
    def make(record: Record) -> Iterator[Row]:
        extra = {"choices": record["choices"]} if record.get("choices") else {}
        yield Row(record["id"], source, record.get("response", ""), record["answer"], extra)

    return make


def _grids(record: Record) -> Iterator[Row]:
    for i, grid in enumerate(record["answer"]):
        yield Row(f"{record['id']}/{i}", "simulation__arcagi1", "", grid)


def _zebra(record: Record) -> Iterator[Row]:
    yield Row(record["id"], "reasoning_gym", "", record["answer"], {"task": "zebra_puzzles"})


def _instructions(record: Record) -> Iterator[Row]:
    tests = record["tests"]
    extra = {"instruction_id_list": tests["instruction_id_list"], "prompt": record["question"]}
    yield Row(record["id"], "ood__ifeval", "", tests["kwargs"], extra)


SETS: dict[str, tuple[MakeRows, Verify, WriteGold]] = {
    "hitab_test": (_as("table__hitab"), verify_tables, gold_reply_tables),
    "tatqa_test": (_as("table__tatqa"), verify_tables, gold_reply_tables),
    "convfinqa_dev": (_as("table__finqa"), verify_tables, gold_reply_tables),
    "arc_agi1_evaluation": (_grids, verify_logic, gold_reply_logic),
    "knights_knaves": (_as("logic__knights_knaves"), verify_logic, gold_reply_logic),
    "zebra_reasoning_gym": (_zebra, verify_procedural, gold_reply_procedural),
    "ifeval": (_instructions, verify_instructions, gold_reply_instructions),
    "mmlu_pro_sample": (_as("stem__supergpqa"), verify_science, gold_reply_science),
    "logiqa_test": (_as("stem__supergpqa"), verify_science, gold_reply_science),
    "logiqa2_test": (_as("stem__supergpqa"), verify_science, gold_reply_science),
    "folio_validation": (_as("ood__bbeh"), verify_science, gold_reply_science),
    "bbh": (_as("ood__bbeh"), verify_science, gold_reply_science),
    "scibench": (_as("stem_web"), verify_science, gold_reply_science),
    "theoremqa": (_as("stem_web"), verify_science, gold_reply_science),
    "resp_mmlu_pro": (_as("stem__supergpqa"), verify_science, gold_reply_science),
    "resp_bbh_codex": (_as("ood__bbeh"), verify_science, gold_reply_science),
}


SAME: dict[str, Callable[[float], str]] = {
    "thousands commas": lambda x: f"{x:,}",
    "a currency sign": lambda x: f"\\${x:,}",
    "a unit": lambda x: f"{x} \\text{{ units}}",
    "six decimals": lambda x: f"{x:.6f}",
    "its own digits and a percent sign": lambda x: f"{x}\\%",
    "a percentage of the ratio": lambda x: f"{x * 100:.6f}\\%",
}
OTHER: dict[str, Callable[[float], str]] = {
    "one more": lambda x: f"{x + 1:.6f}",
    "one per cent more": lambda x: f"{x * 1.01:.6f}",
    "the opposite": lambda x: f"{-x}",
    "a hundredth": lambda x: f"{x / 100:.8f}",
    "a hundredfold": lambda x: f"{x * 100:.6f}",
}


def measure(name: str, records: list[Record]) -> Iterator[Record]:
    """Yield what was found about one set."""
    make_rows, verify, gold_reply = SETS[name]
    rows = [row for record in records for row in make_rows(record)]
    golds = [gold_reply(row) for row in rows]
    yield _count(name, "gold", zip(rows, golds, strict=True), verify, Outcome.CORRECT.__eq__)
    if name != "ifeval":
        shifted = [*golds[1:], *golds[:1]]
        foreign = [(row, other) for row, gold, other in zip(rows, golds, shifted, strict=True) if gold != other]
        yield _count(name, "foreign", foreign, verify, Outcome.CORRECT.__ne__)
    if verify is verify_tables:
        yield from _rewrite_numbers(name, rows)
    if name.startswith("resp_"):
        yield from _compare_labels(name, records, rows, verify)


def _count(name: str, question: str, replies: Any, verify: Verify, is_right: Callable[[Outcome], bool]) -> Record:
    started, num_rows, num_right = time.perf_counter(), 0, 0
    for row, reply in replies:
        verdict = verify(replace(row, response=reply))
        num_rows += 1
        num_right += is_right(verdict.outcome)
        if not is_right(verdict.outcome):
            _show(name, question, row, reply, verdict)
    seconds = round(time.perf_counter() - started, 2)
    return {"set": name, "question": question, "rows": num_rows, "right": num_right, "seconds": seconds}


def _rewrite_numbers(name: str, rows: list[Row]) -> Iterator[Record]:
    truths = [(row, quantity) for row in rows for quantity in [_only_number(row.ground_truth)] if quantity]
    for form, write in {**SAME, **OTHER}.items():
        replies = [
            replace(row, response=f"\\boxed{{{write(number)}}}", ground_truth=str(number)) for row, number in truths
        ]
        yield {
            "set": name,
            "question": f"written as {form}",
            "rows": len(replies),
            "fixed accepts": sum(verify_tables(reply).outcome is Outcome.CORRECT for reply in replies),
            "published accepts": sum(bool(score_tables(reply)) for reply in replies),
        }


def _only_number(truth: Any) -> float | None:
    """Read a truth that is one plain number; a zero, equal to all its multiples, is left out."""
    text = str(truth).removeprefix("[").removesuffix("]").strip("'")
    quantity = read_quantity(text)
    if quantity is None or quantity != Quantity(quantity.value) or not quantity.value:
        return None
    return int(quantity.value) if quantity.value.denominator == 1 else float(quantity.value)


def _compare_labels(name: str, records: list[Record], rows: list[Row], verify: Verify) -> Iterator[Record]:
    """Compare both modes with the labels, the published one on multiple choice only: it has no grader for the rest."""
    agree = {"fixed": 0, "fixed on letters": 0, "published on letters": 0}
    num_letters = 0
    for record, row in zip(records, rows, strict=True):
        verdict, letter = verify(row), str(row.ground_truth).strip("()")
        agrees = (verdict.outcome is Outcome.CORRECT) == record["correct"]
        agree["fixed"] += agrees
        if len(letter) == 1 and letter.isupper():
            num_letters += 1
            published = score_science(replace(row, data_source="stem__supergpqa", ground_truth=letter))
            agree["fixed on letters"] += agrees
            agree["published on letters"] += bool(published) == record["correct"]
        if not agrees:
            _show(name, f"label {record['correct']}", row, row.response[-400:], verdict)
    yield {"set": name, "question": "labels", "rows": len(rows), "letters": num_letters, **agree}


def _show(name: str, question: str, row: Row, reply: str, verdict: Verdict) -> None:
    shown = {"set": name, "question": question, "id": row.id, "truth": row.ground_truth, "reply": reply[-600:]}
    line = json.dumps({**shown, "outcome": verdict.outcome, "reason": verdict.reason}, default=str)
    sys.stderr.write(line + "\n")


def main(folder: str, *names: str) -> None:
    """Measure the named sets, or all."""
    for name in names or SETS:
        lines = (Path(folder) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        for found in measure(name, [json.loads(line) for line in lines]):
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
