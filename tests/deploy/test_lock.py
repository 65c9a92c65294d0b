"""The lock that the image is made from holds every package that the server's room imports."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

from tests.deploy.files import ROOT


def test_every_package_that_the_server_imports_is_in_its_lock() -> None:
    lock = (ROOT / "requirements" / "serve.txt").read_text()
    locked = {name.lower() for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    imported: set[str] = set()
    for path in (ROOT / "src" / "abruzzi" / "serving").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    owners = packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"abruzzi"}
    assert "fastapi" in foreign
    missing = {
        module for module in foreign if not {name.lower().replace("_", "-") for name in owners.get(module, ())} & locked
    }
    assert not missing, "add them to the extra 'serve' in pyproject.toml, then scripts/lock"
