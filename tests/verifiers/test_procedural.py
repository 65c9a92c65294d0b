import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.procedural import gold_reply_procedural, read_entry, verify_procedural
from abruzzi.verifiers.published.procedural import score_procedural
from abruzzi.verifiers.row import Row

reasoning_gym: Any = pytest.importorskip("reasoning_gym")

WITHOUT_SOLUTION = {"boxnet", "propositional_logic", "rush_hour"}
QUICK = sorted(
    {"arc_1d", "base_conversion", "binary_matrix", "chain_sum", "coin_flip", "complex_arithmetic", "countdown"}
    | {"course_schedule", "decimal_arithmetic", "fraction_simplification", "game_of_life", "game_of_life_halting"}
    | {"graph_color", "gsm_symbolic", "intermediate_integration", "knights_knaves", "letter_jumble", "n_queens"}
    | {"number_sorting", "polynomial_equations", "polynomial_multiplication", "prime_factorization", "puzzle24"}
    | {"rotate_matrix", "rubiks_cube", "simple_integration", "spell_backward", "spiral_matrix", "string_insertion"}
    | {"syllogism", "time_intervals", "tower_of_hanoi", "word_sorting", "maze", "rearc", "sokoban"}
)
HOSTILE = [
    "__import__('os').system('touch pwned')",
    "9**9**9",
    "(" * 5000,
    "1e999999999",
    "R999999999",
    "A+9999999",
    "\0",
]


@cache
def row_of(task: str, seed: int = 7) -> Row:
    """One generated entry, as it comes back from JSON."""
    entry = json.loads(json.dumps(reasoning_gym.create_dataset(task, size=1, seed=seed)[0]))
    return Row("1", "reasoning_gym", "", entry["answer"], {"task": task, "metadata": entry["metadata"]})


def judge(row: Row, answer: str) -> Verdict:
    return verify_procedural(replace(row, response=f"<think>x</think><answer>{answer}</answer>"))


@pytest.mark.parametrize("task", QUICK)
def test_the_own_answer_is_correct_and_rubbish_is_not(task: str) -> None:
    row = row_of(task)
    gold = verify_procedural(replace(row, response=gold_reply_procedural(row)))
    assert (gold.outcome, gold.score) == (Outcome.CORRECT, 1)
    for rubbish in ("wrong answer", "", "None", "{}", "777777.7"):
        assert judge(row, rubbish).score == 0
    for hostile in HOSTILE:
        assert judge(row, hostile).outcome in {Outcome.WRONG, Outcome.UNPARSED}
    assert not Path("pwned").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # generators leave files open
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_task_accepts_its_own_answer(seed: int) -> None:
    rows = {
        task: row_of(task, seed)
        for task in reasoning_gym.factory.DATASETS
        if task not in WITHOUT_SOLUTION | {"composite"}
    }
    refused = {
        task
        for task, row in rows.items()
        if verify_procedural(replace(row, response=gold_reply_procedural(row))).outcome is not Outcome.CORRECT
    }
    assert len(rows) >= 100
    assert refused == set()


def made_row(task: str, answer: Any, **metadata: Any) -> Row:
    return Row("1", "reasoning_gym", "", answer, {"task": task, "metadata": metadata})


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        (made_row("game_of_life_halting", "False"), ["False", "false."], ["True", "anything"]),
        (made_row("puzzle24", "4*8 - 6 - 2", numbers=[4, 8, 6, 2]), ["(8*4)-(6+2)"], ["8*3*1*1", "6*4*1*1", "24"]),
        (made_row("countdown", "2*3", numbers=[2, 3], target=6), ["3*2"], ["6", "2*3*1", "2**3-2"]),
        (
            made_row("number_sorting", "['-1.5', '2']", direction="ascending"),
            ["[-1.5, 2.0]", "['-1.5','2']"],
            ["['-1.4', '2']", "['2', '-1.5']"],
        ),
        (made_row("coin_flip", "0.171875"), ["0.171875", "11/64", "0.1719"], ["0", "0.17", "1e999999999"]),
        (made_row("gsm_symbolic", "3607"), ["3607", "3607 apples"], ["3607 or 7", "360"]),
        (made_row("spell_backward", "lirenoG"), ["lirenoG"], ["lirenoG or Goneril", "Gonerilx"]),
        (made_row("spiral_matrix", "1 2 3"), ["1 2 3", "[1, 2, 3]"], ["1 2", "[1,2,__import__('os')]"]),
        (made_row("n_queens", "_ Q", valid_answers=["_ Q", "Q _"]), ["Q _", "[['_', 'Q']]"], ["_ _"]),
        (made_row("codeio", '{"root": 20.28}'), ['{"root": 20.28}', "{'root': 20.28}"], ['{"root": 20.3}', "20.28"]),
        (
            made_row("simple_integration", "x**2 + C", integrand="2*x", variable="x"),
            ["x**2 + C", "x^2", "C + x*x + 5"],
            ["x**3", "x**999", "y**2", "x**2**2", "exit()", "x.args", "lambda: x"],
        ),
        (made_row("prime_factorization", "2 × 3"), ["2 × 3", "3 × 2"], ["two", "6"]),
    ],
)
def test_guards(row: Row, right: list[str], wrong: list[str]) -> None:
    assert {answer: judge(row, answer).outcome for answer in right} == dict.fromkeys(right, Outcome.CORRECT)
    assert all(judge(row, answer).outcome in {Outcome.WRONG, Outcome.UNPARSED} for answer in wrong)


def test_a_nearly_right_grid_is_wrong() -> None:
    row = row_of("game_of_life")
    cells = json.loads(row.ground_truth)
    cells[0][0] = 1 - cells[0][0]
    assert judge(row, json.dumps(cells)).outcome is Outcome.WRONG


def test_an_answer_stated_at_the_end_of_the_prose_counts_and_a_marked_one_wins() -> None:
    row = row_of("chain_sum")
    right, wrong = str(row.ground_truth), str(int(row.ground_truth) + 1)
    said = {
        f"First I add them.\nThe answer is {right}.": Outcome.CORRECT,
        f"It takes a moment, and then the whole sum comes to {right}.": Outcome.CORRECT,
        f"The answer is {right}, no: the answer is {wrong}.": Outcome.WRONG,
        f"The answer is {right}. <answer>{wrong}</answer>": Outcome.WRONG,
        f"<think>The answer is {right}.": Outcome.UNPARSED,
    }
    for reply, outcome in said.items():
        assert verify_procedural(replace(row, response=reply)).outcome is outcome, reply


def test_the_answer_may_have_many_lines_or_stand_alone() -> None:
    row = row_of("binary_matrix")
    assert (
        verify_procedural(replace(row, response=f"<think>x</think>\n{row.ground_truth}\n")).outcome is Outcome.CORRECT
    )
    assert verify_procedural(replace(row, response=f"<think>{row.ground_truth}")).outcome is Outcome.UNPARSED


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (Row("1", "reasoning_gym", "<answer>1</answer>", "1"), "task"),
        (Row("1", "reasoning_gym", "<answer>1</answer>", "1", {"task": "no_such_task"}), "no_such_task"),
        (Row("1", "reasoning_gym", "<answer>1+1</answer>", "1", {"task": "simple_integration"}), "variable"),
    ],
)
def test_a_broken_row_names_what_is_missing(row: Row, word: str) -> None:
    verdict = verify_procedural(row)
    assert verdict.outcome is Outcome.ERROR
    assert word in verdict.reason


def test_an_entry_is_read_from_wherever_the_row_has_it() -> None:
    entry = {"question": "?", "answer": "5", "metadata": {"source_dataset": "chain_sum"}}
    task, read = read_entry(Row("1", "reasoning_gym", "", "5", {"entry": entry}))
    assert (task, read["answer"]) == ("chain_sum", "5")
    assert read_entry(Row("1", "reasoning_gym", "", json.dumps(entry)))[0] == "chain_sum"
    packed = {"task": "chain_sum", "metadata": json.dumps({"num_terms": 2})}
    assert read_entry(Row("1", "reasoning_gym", "", "5", packed))[1]["metadata"] == {"num_terms": 2}


def test_a_task_without_a_stored_solution_says_so() -> None:
    with pytest.raises(DataError, match="boxnet"):
        gold_reply_procedural(row_of("boxnet"))


def test_published_gives_the_librarys_own_partial_credit_without_evaluating() -> None:
    def score(row: Row, response: str) -> float:
        return score_procedural(replace(row, response=response))

    chain = made_row("chain_sum", "42")
    assert score(chain, "<think>x</think>42") == 1
    assert score(chain, "<answer>41</answer> <answer>42</answer>") == 1
    assert 0 < score(chain, "it is 42") < 1
    assert score(made_row("spiral_matrix", "1 2"), "[1, 2]") == 0.1
    assert score(made_row("spiral_matrix", "1 2"), "__import__('os').system('touch pwned')") == 0
    assert score(made_row("game_of_life_halting", "False"), "false") == 1
    assert score(made_row("game_of_life_halting", "False"), "<answer>False</answer>") == 0
    assert score(made_row("prime_factorization", "2 × 3"), "two") == 0
    puzzle = made_row("puzzle24", "4*8 - 6 - 2", numbers=[4, 8, 6, 2])
    assert [score(puzzle, reply) for reply in ("8*3*1*1", "1+1", "no idea")] == [1, 0.01, 0]
    with pytest.raises(ValueError, match="task"):
        score(Row("1", "reasoning_gym", "", "5"), "5")
    assert not Path("pwned").exists()
