"""SciCode: research problems in steps, each a function with its tests (arXiv 2407.13168); 65 problems, 288 steps.

The authors ask for one step at a time and show the model its own code of the steps before. A question here is asked
once, so a step's question describes all steps up to it and asks for the code of all; it is judged by that step's
tests. ``scicode-main`` asks for a whole problem, and all tests of all its steps must pass, as the authors have it.

The targets of the tests are not on the hub: the authors give them as ``test_data.h5``. Put it beside the problems and
give the folder. Problems with a published solution (the authors' 15 of the development set) need none.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from abruzzi.data.hub import DataFiles, Record, load_records
from abruzzi.data.items import Item, check_ids
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.asking import ask_function
from abruzzi.evaluation.benchmarks.benchmark import WITHOUT_STOP, Benchmark
from abruzzi.evaluation.benchmarks.scicode_cases import NO_TARGET, PREFIX, Case, split_case, write_tests
from abruzzi.evaluation.benchmarks.scicode_targets import FILE, read_targets

_FILES = DataFiles("SciCode1/SciCode", ("problems_test.jsonl",), revision="4510f6a6aa27c43fad7b43da2c59602a86e88480")
Step = Mapping[str, Any]
Targets = Mapping[str, Sequence[Any]]
"""Step number → the target of each of its tests."""


def read_steps(problem: Record, targets: Targets) -> list[Item]:
    """Read a problem as one item for each step that can be judged.

    Raises:
        DataError: the row lacks a part.
    """
    steps, key = _get_steps(problem), _get_key(problem)
    items = (
        _make_item(f"{key}/{step['step_number']}", problem, steps[:number], [step], targets)
        for number, step in enumerate(steps, start=1)
    )
    return [item for item in items if item is not None]


def read_whole(problem: Record, targets: Targets) -> list[Item]:
    """Read a problem as one item; none where one of its steps cannot be judged.

    Raises:
        DataError: the row lacks a part.
    """
    steps = _get_steps(problem)
    item = _make_item(_get_key(problem), problem, steps, steps, targets)
    return [item] if item else []


def _get_key(problem: Record) -> str:
    return str(problem.columns.get("id") or f"scicode/{problem.text('problem_id')}")


def _get_steps(problem: Record) -> list[Step]:
    return cast("list[Step]", _meta(problem).get("sub_steps"))


def _meta(problem: Record) -> Record:
    return problem.table("meta") if problem.has("meta") else problem


def _make_item(key: str, problem: Record, asked: list[Step], judged: list[Step], targets: Targets) -> Item | None:
    imports = str((problem.table("tests") if problem.has("tests") else problem).get("required_dependencies"))
    codes = [str(step.get("ground_truth_code") or "") for step in asked]
    reference = "\n\n".join([imports, *codes]) if all(codes) else ""
    cases: list[Case] = []
    for step in judged:
        published = cast("list[str]", step["test_cases"])
        known = targets.get(str(step["step_number"])) or [NO_TARGET] * len(published)
        for source, target in zip(published, known, strict=True):
            comparisons = split_case(source)
            if comparisons is None or (target is NO_TARGET and not reference):
                return None
            cases.extend(Case(str(step["step_number"]), comparison, target) for comparison in comparisons)
    if not cases:
        return None
    return Item(
        id=key,
        question=_ask(problem, asked, imports),
        ground_truth=json.dumps({"functional": write_tests(cases, reference)}),
        data_source="codegen__scicode",
        extra={"prefix": f"{imports}\n{PREFIX}", "reference": reference},
    )


def _ask(problem: Record, steps: list[Step], imports: str) -> str:
    told = "\n\n".join(
        f"Step {number}. {str(step['step_description_prompt']).strip()}\n```python\n"
        f"{str(step['function_header']).rstrip()}\n```"
        for number, step in enumerate(steps, start=1)
    )
    statement = problem.text("problem_description_main", "question")
    return ask_function(
        f"{statement}\n\nThe problem is solved in steps, each a function or class that may use those before it. Write "
        f"the code of {'all these steps' if len(steps) > 1 else 'this step'}, with the names and arguments "
        f"given.\n\n{told}\n\nThese imports are there; use no other package:\n```python\n{imports.strip()}\n```"
    )


def _load(path: Path | None, *, is_main: bool) -> list[Item]:
    records = load_records(_FILES, path)
    steps = {str(step["step_number"]): len(step["test_cases"]) for row in records for step in _get_steps(row)}
    folder = path if path is None or path.is_dir() else path.parent
    file = folder / FILE if folder else None
    targets = read_targets(file, steps) if file and file.is_file() else {}
    items = [item for row in records for item in (read_whole if is_main else read_steps)(row, targets)]
    if not items:
        raise DataError(
            f"no step of {path or _FILES} can be judged: the targets are missing; take {FILE} from where the authors' "
            f"repository says, put it beside {_FILES.paths[0]}, and give the folder: --data FOLDER"
        )
    return check_ids(items, str(path or _FILES))


def _load_steps(path: Path | None) -> list[Item]:
    return _load(path, is_main=False)


def _load_whole(path: Path | None) -> list[Item]:
    return _load(path, is_main=True)


def _scicode(name: str, title: str, num_items: int, load: Any, note: str) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        source=str(_FILES),
        revision=str(_FILES.revision),
        licence="Apache-2.0",
        num_items=num_items,
        scorer="code: all tests pass, in the sandbox, whose Python must have NumPy and SciPy",
        load=load,
        sampling=WITHOUT_STOP,
        notes=(
            note,
            "Steps whose tests compare in a way of their own, or whose targets are too large, are left out.",
            f"The targets ({FILE}) are not on the hub and must be given.",
        ),
    )


SCICODE = _scicode(
    "scicode",
    "SciCode steps",
    288,
    _load_steps,
    "Each step is asked for in one question together with those before it; the authors show the model its own earlier "
    "code instead, so this is not comparable with published sub-problem scores.",
)
SCICODE_MAIN = _scicode(
    "scicode-main",
    "SciCode problems",
    65,
    _load_whole,
    "A whole problem is asked for in one question; the authors ask step by step.",
)
