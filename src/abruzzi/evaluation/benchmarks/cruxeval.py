"""CRUXEval: what a short Python function returns, or an input for which it returns a given value (arXiv 2401.03065)."""

import json
from typing import Literal

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.benchmark import WITHOUT_STOP, Benchmark, ReadItem, file_benchmark

_FILES = DataFiles("cruxeval-org/cruxeval", ("test.jsonl",), revision="b96af0450242eb4da433032b90998f25588a5d0f")
_Asked = Literal["i", "o"]


def _reader(asked: _Asked) -> ReadItem:
    def read_item(record: Record) -> Item:
        """Ask for one side of a function's assertion."""
        tests = record.table("tests") if record.has("tests") else record
        code, given, output = tests.text("code"), str(tests.get("input")), str(tests.get("output"))
        line = f"assert f({given}) == ??" if asked == "o" else f"assert f(??) == {output}"
        what = "the value" if asked == "o" else "arguments"
        return Item(
            id=f"{record.text('id')}/{asked}",
            question=(
                f"```python\n{code}\n\n{line}\n```\n\nFind {what} for which the assertion holds, written out as plain "
                "Python data. Answer with the whole assertion, ?? replaced, in one fenced block that begins with "
                "```python."
            ),
            ground_truth=json.dumps({"functional": code}),
            data_source=f"simulation__cruxeval-{asked}",
            extra={"input": given, "output": output},
        )

    return read_item


def _cruxeval(asked: _Asked) -> Benchmark:
    return file_benchmark(
        _FILES,
        _reader(asked),
        name=f"cruxeval-{asked}",
        title=f"CRUXEval-{asked.upper()}",
        licence="MIT",
        num_items=800,
        scorer="code: the assertion holds, in the sandbox",
        sampling=WITHOUT_STOP,
        notes=("The authors show one or two examples and sample at temperature 0.2; here none, at the protocol's.",),
    )


CRUXEVAL_I = _cruxeval("i")
CRUXEVAL_O = _cruxeval("o")
