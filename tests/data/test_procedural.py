import json
import subprocess
import sys
from enum import Enum
from fractions import Fraction

import pytest

from abruzzi.data.items import hash_items
from abruzzi.data.procedural import UNREPEATABLE, generate_items, list_tasks, read_version, to_plain
from abruzzi.errors import ConfigError

TASKS = ("chain_sum", "family_relationships", "graph_color", "letter_counting", "simple_equations", "word_sorting")
GENERATE = """
import sys
from abruzzi.data.items import hash_items
from abruzzi.data.procedural import generate_items
print(hash_items(item for task in sys.argv[1:] for item in generate_items(task, 10, 3, {})))
"""


def test_an_item_carries_what_its_verifier_needs_as_plain_json() -> None:
    (item,) = generate_items("graph_color", 1, 5, {})
    assert item.id == "graph_color/5/0"
    assert item.data_source == "reasoning_gym"
    assert item.extra["task"] == "graph_color"
    assert item.ground_truth is None
    assert json.loads(json.dumps(item.extra)) == item.extra


def test_another_process_generates_the_same_items() -> None:
    command = [sys.executable, "-c", GENERATE, *TASKS]
    theirs = subprocess.check_output(command, env={"PYTHONHASHSEED": "1"}, text=True).strip()
    assert hash_items(item for task in TASKS for item in generate_items(task, 10, 3, {})) == theirs


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("chain_sums", {}, r"reasoning-gym has no task 'chain_sums'; did you mean 'chain_sum'\?"),
        ("composite", {}, "reasoning-gym has no task 'composite'"),
        ("gcd", {"min_words": 2}, r"refuses gcd with size=2, seed=1, min_words=2: .*min_words"),
        ("chain_sum", {"min_terms": 9, "max_terms": 2}, "refuses chain_sum with .*min_terms=9, max_terms=2: "),
        ("word_ladder", {}, "the task 'word_ladder' generates other items each time, whatever its seed"),
    ],
)
def test_what_cannot_be_generated_is_explained(task: str, settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate_items(task, 2, 1, settings)


def test_the_tasks_that_are_refused_exist() -> None:
    assert set(list_tasks()) > UNREPEATABLE
    assert read_version() == "0.1.25"


class Colour(Enum):
    RED = "red"


def test_generated_data_become_plain() -> None:
    value = {"a": (1, Colour.RED), 2: {3, 1}, "c": Fraction(1, 2), "d": float("inf"), "e": None, "f": True}
    assert to_plain(value) == {"a": [1, "red"], "2": [1, 3], "c": "1/2", "d": "inf", "e": None, "f": True}


def test_without_the_package_the_command_to_run_is_named() -> None:
    script = "import sys; sys.modules['reasoning_gym'] = None\nfrom abruzzi.data.procedural import list_tasks\n"
    done = subprocess.run([sys.executable, "-c", script + "list_tasks()"], check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("run scripts/setup eval, or pip install 'abruzzi[eval]'")
