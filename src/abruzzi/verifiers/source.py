"""What Python source defines, imports and lacks, found without running it; and which blocks of a reply make one source.

Source that does not parse defines nothing. Warnings about it (a stray backslash) are nobody's business here.
"""

import ast
import builtins
import warnings
from collections.abc import Iterable

from abruzzi.verifiers.sandbox.inside.cells import free_names

_STAR = "*"


def parse(source: str) -> ast.Module:
    """Parse source.

    Raises:
        SyntaxError: it does not parse, whatever the reason.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from error


def does_parse(source: str) -> bool:
    """Tell whether source parses."""
    try:
        parse(source)
    except SyntaxError:
        return False
    return True


def definitions(source: str) -> set[str]:
    """Find what a module defines at its top level: functions, classes, variables; imports left out."""
    names: set[str] = set()
    for node in parse(source).body if does_parse(source) else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            targets = (target for group in node.targets for target in ast.walk(group))
            names.update(target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def imports(source: str) -> list[ast.Import | ast.ImportFrom]:
    """List what a module imports at its top level."""
    nodes = parse(source).body if does_parse(source) else []
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def reads(source: str) -> set[str]:
    """Find the names that a module reads and does not bind itself, Python's own among them."""
    try:
        parse(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return free_names(source)
    except SyntaxError:  # also of scopes, as in a nonlocal name at the top level
        return set()


def assemble(blocks: list[str], used: Iterable[str] = ()) -> str:
    """Choose the code that a reply settles on: its last block, and those before it that it cannot do without.

    Args:
        blocks: the reply's blocks of code, at least one.
        used: names of which the code must define one, such as those that tests call.

    Returns:
        The shortest end of the list that defines one of the names and lacks nothing that an earlier block defines; the
        last block where there is no such end. Blocks that do not parse are passed over where another one does.
    """
    whole = [block for block in blocks if does_parse(block)] or blocks[-1:]
    used = set(used)
    for start in reversed(range(len(whole))):
        code, earlier = "\n\n".join(whole[start:]), "\n\n".join(whole[:start])
        is_entry_missing = used and not used & definitions(code) and used & definitions(earlier)
        if not is_entry_missing and not _can_get(reads(code) - vars(builtins).keys(), earlier):
            return code
    return whole[-1]


def _can_get(names: set[str], earlier: str) -> bool:
    imported = {alias.asname or alias.name.split(".")[0] for node in imports(earlier) for alias in node.names}
    return bool(names & (definitions(earlier) | imported)) or bool(names and _STAR in imported)
