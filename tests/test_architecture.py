"""The house rules, held by measurement: layers, weight of an import, budgets of size and documentation."""

import ast
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).parent.parent / "src" / "abruzzi"
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = {
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "xllamacpp",
    "openai",
    "sympy",
    "math_verify",
    "fastapi",
    "starlette",
    "uvicorn",
    "reasoning_gym",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def reachable(tree: ast.Module) -> Iterator[Function]:
    """Functions that another module can call: those of a module and the methods of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (method for method in node.body if isinstance(method, Function))
        if isinstance(node, Function):
            yield node


def test_imports_only_go_down() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=SOURCE.parent.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_no_import_runs_in_a_circle_deferred_ones_included() -> None:
    graph = grimp.build_graph("abruzzi", cache_dir=None)
    order = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    assert len(list(order.static_order())) == len(graph.modules)


@pytest.mark.parametrize("module", ["abruzzi", "abruzzi.cli.main", "abruzzi.verifiers", "abruzzi.engine"])
def test_a_light_import_loads_nothing_heavy(module: str) -> None:
    script = f"import json, sys, {module}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", script])))
    assert not loaded & HEAVY


@pytest.mark.parametrize("arguments", [["-c", "import abruzzi"], ["-m", "abruzzi", "--help"]])
def test_import_and_help_cost_little_beside_the_libraries_they_need(arguments: list[str]) -> None:
    """A third of a second where those take 0.14 s: seconds alone would measure the machine."""

    def cpu_seconds(*given: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *given], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cpu_seconds(*arguments)  # the first run may compile bytecode
    pairs = [(cpu_seconds(*arguments), cpu_seconds("-c", "import pydantic, typer.main")) for _ in range(4)]
    assert min(ours for ours, _ in pairs) < 2.5 * min(theirs for _, theirs in pairs)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_stay_small_and_say_what_they_do(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "every module says what it does"
    assert len(text.splitlines()) <= 600
    for function in functions(tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= 80, f"{function.name} has {length} lines"
    assert "TYPE_CHECKING" not in text
    assert "utils" not in path.name


def test_public_functions_are_documented() -> None:
    bare = [
        f"{path.relative_to(SOURCE)}: {function.name}"
        for path in FILES
        for function in reachable(ast.parse(path.read_text()))
        if not function.name.startswith("_") and ast.get_docstring(function) is None
    ]
    assert not bare


def test_only_the_command_line_prints() -> None:
    for path in FILES:
        if "cli" in path.parts or path.name == "worker.py":
            continue
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"], path


def bound_names(file: Path) -> set[str]:
    """Every name that a module binds anywhere, and the modules beside a package's own file."""
    names = {path.stem for path in file.parent.iterdir()} if file.name == "__init__.py" else set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case _:
                pass
    return names


@pytest.mark.parametrize("script", sorted((SOURCE.parents[1] / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_script_takes_from_us_is_there(script: Path) -> None:
    """Scripts are run by hand and rarely, so nothing else says that what they import was renamed or moved."""
    for node in ast.walk(ast.parse(script.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        parts = node.module.split(".")
        root = SOURCE.parent if parts[0] == "abruzzi" else SOURCE.parents[1] if parts[0] == "tests" else script.parent
        place = root.joinpath(*parts)
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if file.exists():
            assert {alias.name for alias in node.names} <= bound_names(file), node.module
        else:
            assert parts[0] not in ("abruzzi", "tests"), node.module
