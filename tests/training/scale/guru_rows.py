"""A few rows of each of Guru's six domains, made up for the tests, each with a right, a wrong and an empty reply."""

from dataclasses import dataclass
from typing import Any

from abruzzi.data.items import Item
from abruzzi.nouns import Message


@dataclass(frozen=True)
class Case:
    """One item with replies whose verdicts are known."""

    domain: str
    item: Item
    right: str
    wrong: str
    silent: str = "<think>I cannot tell"
    """Holds no answer."""


def _item(source: str, asked: str, truth: Any, **extra: Any) -> Item:
    return Item(f"{source}/0", asked, truth, source, extra)


CASES = (
    Case(
        "math",
        _item("math__merged_deduped_dapo_or1_dataset", "What is half of one?", "1/2", reward_metric="default"),
        right=r"<think>one by two</think>It is \boxed{\frac{1}{2}}.",
        wrong=r"<think>one by two</think>It is \boxed{2}.",
    ),
    Case(
        "code",
        _item(
            "codegen__primeintellect",
            "Read two numbers and print their sum.",
            '{"inputs": ["3 4\\n", "10 -2\\n"], "outputs": ["7\\n", "8\\n"]}',
        ),
        right="```python\na, b = map(int, input().split())\nprint(a + b)\n```",
        wrong="```python\na, b = map(int, input().split())\nprint(a - b)\n```",
    ),
    Case(
        "code",
        _item(
            "codegen__leetcode2k",
            "Write square(x).",
            '{"functional": "def check(candidate):\\n    assert candidate(3) == 9\\n\\ncheck(square)"}',
            prefix="",
        ),
        right="```python\ndef square(x):\n    return x * x\n```",
        wrong="```python\ndef square(x):\n    return x + x\n```",
    ),
    Case(
        "science",
        _item("stem__supergpqa", "Which gas do plants give off? (A) nitrogen (B) oxygen", "B"),
        right=r"They give off \boxed{B}.",
        wrong=r"They give off \boxed{A}.",
    ),
    Case(
        "logic",
        _item(
            "logic__ordering_puzzle_dataset",
            "Ann is left of Bea, Bea left of Cid. Order them.",
            ["Ann", "Bea", "Cid"],
            num_objects=3,
        ),
        right='<answer>["Ann", "Bea", "Cid"]</answer>',
        wrong='<answer>["Bea", "Ann", "Cid"]</answer>',
    ),
    Case(
        "logic",
        _item("simulation__arcagi1", "Mirror [[1, 0], [0, 1]].", [[0, 1], [1, 0]]),
        right="<answer>[[0, 1], [1, 0]]</answer>",
        wrong="<answer>[[1, 0], [0, 1]]</answer>",
    ),
    Case(
        "logic",
        _item(
            "logic__zebra_puzzle_dataset",
            "Who lives where?",
            {"header": ["House", "Name"], "rows": [["1", "Ann"], ["2", "Bea"]]},
            grid_size="2x1",
        ),
        right='<answer>{"header": ["House", "Name"], "rows": [["1", "Ann"], ["2", "Bea"]]}</answer>',
        wrong='<answer>{"header": ["House", "Name"], "rows": [["1", "Bea"], ["2", "Ann"]]}</answer>',
    ),
    Case(
        "simulation",
        _item("simulation__codeio_pyedu", "What does total(3, 4) return?", '"output": {"total": 7}'),
        right='```json\n{"output": {"total": 7}}\n```',
        wrong='```json\n{"output": {"total": 12}}\n```',
    ),
    Case(
        "tables",
        _item("table__hitab", "What are the shares of 2019 and 2020?", "12.5|8"),
        right=r"They are \boxed{12.5 | 8}.",
        wrong=r"They are \boxed{12.5 | 9}.",
    ),
    Case(
        "tables",
        _item("table__multihier", "What is the total?", "1,250"),
        right=r"It is \boxed{1250}.",
        wrong=r"It is \boxed{1520}.",
    ),
)

FREE_TEXT = _item("stem_web", "What do plants take in?", "carbon dioxide", question="What do plants take in?")
"""Answered in words: what is not the reference is for a grader to decide."""
BROKEN = _item("codegen__taco", "Print one.", "no JSON at all")
"""Its tests cannot be read, so that no reply to it can be judged."""


def ask(item: Item) -> tuple[Message, ...]:
    """Put an item's question as the recipes do for models that need no instructions."""
    return (Message("user", item.question),)
