from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import DataError
from abruzzi.nouns import Outcome
from abruzzi.verifiers.logic import gold_reply_logic, verify_logic
from abruzzi.verifiers.row import Row

HOUSES = {"header": ["House", "Name", "Pet"], "rows": [["1", "Ann", "cat"], ["2", "Bo", "red fish"]]}
GRID = [[1, 0], [0, 1]]
ZEBRA, ORDER = "logic__zebra_puzzle_dataset", "logic__ordering_puzzle_dataset"
GRAPH, ARC, KNIGHTS = "logic__graph_logical_dataset", "simulation__arcagi1", "logic__knights_knaves"


def judge(source: str, truth: Any, answer: str) -> tuple[Outcome, float]:
    verdict = verify_logic(Row("1", source, f"<think>x</think>So: <answer>{answer}</answer>", truth))
    return verdict.outcome, round(verdict.score, 3)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"header": ["House", "Name", "Pet"], "rows": [["1", "Ann", "cat"], ["2", "Bo", "red fish"]]}', 1),
        ("{'header': ['House', 'Name', 'Pet'],\n 'rows': [[1, 'ANN', ' cat'], [2, 'bo', 'red_fish'],]}", 1),
        ('```json\n{"rows": [["1", "Ann", "cat"], ["2", "Bo", "red fish"]]}\n```', 1),
        ('{"header": ["Pet", "House", "Name"], "rows": [["cat", "1", "Ann"], ["red fish", "2", "Bo"]]}', 1),
        ('{"rows": [["2", "Bo", "red fish"], ["1", "Ann", "cat"]]}', 1),
        ('{"rows": [["1", "Bo", "red fish"], ["2", "Ann", "cat"]]}', 0.333),
        ('{"rows": [["1", "Ann", "cat"], ["2", "Bo", "dog"]]}', 0.833),
        ('{"header": ["House", "Pet", "Name"], "rows": [["1", "Ann", "cat"], ["2", "Bo", "red fish"]]}', 0.333),
        ('{"rows": [["1", "Ann", "cat"], ["1", "Bo", "red fish"]]}', 0.833),
        ('{"rows": [["1", "Ann", "cat"]]}', 0),
        ('{"rows": [["1", "Ann", "cat"], ["2", "Bo", "red fish"], ["3", "Cy", "dog"]]}', 0),
        ('{"rows": [["1", "Ann", "cat", "x"], ["2", "Bo", "red fish", "x"]]}', 0),
        ('{"rows": [["1", "Ann"], ["2", "Bo"]]}', 0),
    ],
)
def test_zebra_counts_cells_of_a_table_of_the_right_shape(answer: str, score: float) -> None:
    assert judge(ZEBRA, HOUSES, answer) == (Outcome.CORRECT if score == 1 else Outcome.WRONG, score)


@pytest.mark.parametrize(
    "answer",
    [
        *["the table", "[]", '{"header": []}', '{"rows": "Ann"}', '{"rows": [1, 2]}'],
        '{"rows": [["1", "Ann", "cat"], ["2", "Bo", "red fish"]]} or {"rows": [["1", "Bo", "cat"], ["2", "Ann", "x"]]}',
    ],
)
def test_zebra_without_one_table_is_unparsed(answer: str) -> None:
    assert judge(ZEBRA, HOUSES, answer) == (Outcome.UNPARSED, 0)


@given(st.permutations(range(3)), st.permutations(range(2)))
def test_zebra_does_not_mind_the_order_of_columns_and_rows(columns: list[int], rows: list[int]) -> None:
    table = {
        "header": [HOUSES["header"][i] for i in columns],
        "rows": [[HOUSES["rows"][j][i] for i in columns] for j in rows],
    }
    assert judge(ZEBRA, HOUSES, str(table)) == (Outcome.CORRECT, 1)


@pytest.mark.parametrize("truth", [None, "x", {"header": ["a"], "rows": []}, {"header": ["a"], "rows": [["1", "2"]]}])
def test_zebra_with_a_broken_truth_is_an_error(truth: Any) -> None:
    assert judge(ZEBRA, truth, '{"rows": [["1"]]}')[0] is Outcome.ERROR


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("['blue-jay', \"o'hara\", 'red otter']", Outcome.CORRECT),
        ("[Blue-Jay, O'Hara, Red Otter]", Outcome.CORRECT),
        ("Order: ['blue-jay', \"o'hara\", 'red  otter']", Outcome.CORRECT),
        ("blue-jay, o'hara, red otter", Outcome.CORRECT),
        ("1. blue-jay\n2. o’hara\n3. red otter", Outcome.CORRECT),
        ("['blue-jay', 'red otter', \"o'hara\"]", Outcome.WRONG),
        ("['blue-jay', \"o'hara\"]", Outcome.WRONG),
        ("['bluejay', \"o'hara\", 'red otter']", Outcome.WRONG),
        ("[]", Outcome.WRONG),
        ("['blue-jay', \"o'hara\", 'red otter'] or ['red otter', \"o'hara\", 'blue-jay']", Outcome.UNPARSED),
        ("[a, b] or [b, a]", Outcome.UNPARSED),
    ],
)
def test_ordering(answer: str, outcome: Outcome) -> None:
    assert judge(ORDER, ["blue-jay", "O'Hara", "red otter"], answer)[0] is outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("qkzwtr", Outcome.CORRECT),
        (" 'QKZWTR'. ", Outcome.CORRECT),
        ("[qkzwtr]", Outcome.CORRECT),
        ("qkzwtx", Outcome.WRONG),
        ("qkzwtr or abc", Outcome.UNPARSED),
        ("a -> qkzwtr", Outcome.UNPARSED),
    ],
)
def test_graph(answer: str, outcome: Outcome) -> None:
    assert judge(GRAPH, "qkzwtr", answer)[0] is outcome


def test_graph_takes_a_missing_truth_for_the_word_none() -> None:
    assert judge(GRAPH, None, "None")[0] is Outcome.CORRECT
    assert judge(GRAPH, "", "")[0] is Outcome.ERROR


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("[[1,0],[0,1]]", Outcome.CORRECT),
        ("[ [1, 0],\n [0, 1], ]", Outcome.CORRECT),
        ("[['1','0'],['0','1']]", Outcome.CORRECT),
        ("((1.0, 0), (0, 1))", Outcome.UNPARSED),
        ("[(1.0, 0), (0, 1)]", Outcome.CORRECT),
        ("1 0\n0 1", Outcome.CORRECT),
        ("10\n01", Outcome.CORRECT),
        ("|1|0|\n|0|1|", Outcome.CORRECT),
        ("```\n[[1,0],[0,1]]\n```", Outcome.CORRECT),
        ("[[1,0],[0,1]] that is [[1,0],[0,1]]", Outcome.CORRECT),
        ("[[1,0],[0,0]]", Outcome.WRONG),
        ("[[1,0]]", Outcome.WRONG),
        ("[[1,0],[0,1]] or [[0,1],[1,0]]", Outcome.UNPARSED),
        ("[[1,0],[0,1]", Outcome.UNPARSED),
        ("[[1,0],[0]]", Outcome.UNPARSED),
        ("[[1.9,0],[0,1]]", Outcome.UNPARSED),
        ("[[True,False],[False,True]]", Outcome.UNPARSED),
        ("[[1,...],[0,1]]", Outcome.UNPARSED),
        ("[[[1,0],[0,1]]]", Outcome.UNPARSED),
        ("[[]]", Outcome.UNPARSED),
        ("no idea", Outcome.UNPARSED),
    ],
)
def test_grid(answer: str, outcome: Outcome) -> None:
    assert judge(ARC, GRID, answer)[0] is outcome


@pytest.mark.parametrize("source", ["simulation__arcagi2", "simulation__barc", "logic__arcagi1", "logic__barc"])
def test_grids_of_every_name_are_verified_and_none_is_the_default(source: str) -> None:
    assert judge(source, [[0]], "[[0]]")[0] is Outcome.CORRECT
    assert verify_logic(Row("1", source, "no idea", [[0]])).outcome is Outcome.UNPARSED


@pytest.mark.parametrize("truth", [[[-1]], [[1], [1, 2]], [], "[[1]]", [[10]], None])
def test_a_grid_with_a_broken_truth_is_an_error(truth: Any) -> None:
    assert judge(ARC, truth, "[[1]]")[0] is Outcome.ERROR


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("(1) Ann is a knight\n(2) Bo is a knave", Outcome.CORRECT),
        ("Bo is a **knave**, and ANN is a Knight.", Outcome.CORRECT),
        ("Ann: knight\nBo: knave", Outcome.CORRECT),
        ("Ann is a knight", Outcome.WRONG),
        ("Ann is a knight, Bo is a knight", Outcome.WRONG),
        ("Ann is a knight, Bo is a knave, Bo is a knight", Outcome.WRONG),
        ("nobody lies", Outcome.UNPARSED),
    ],
)
def test_knights_and_knaves(answer: str, outcome: Outcome) -> None:
    assert judge(KNIGHTS, "(1) Ann is a knight\n(2) Bo is a knave", answer)[0] is outcome
    assert judge(KNIGHTS, {"Ann": "knight", "Bo": "knave"}, answer)[0] is outcome


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("qkzwtr", Outcome.UNPARSED),
        ("\\boxed{qkzwtr}", Outcome.UNPARSED),
        ("<think><answer>qkzwtr</answer></think> done", Outcome.UNPARSED),
        ("<think>so <answer>qkzwtr</answer>", Outcome.UNPARSED),
        ("<answer>qkzwtr", Outcome.CORRECT),
        ("<answer><answer>qkzwtr</answer></answer>", Outcome.CORRECT),
        ("<answer>abc</answer> no, <answer>qkzwtr</answer>", Outcome.CORRECT),
        ("<answer>\\boxed{qkzwtr}</answer>", Outcome.CORRECT),
        ("<answer>" + "q" * 200_000 + "</answer>", Outcome.UNPARSED),
        ("", Outcome.UNPARSED),
    ],
)
def test_only_the_last_tag_after_the_thoughts_counts(response: str, outcome: Outcome) -> None:
    assert verify_logic(Row("1", GRAPH, response, "qkzwtr")).outcome is outcome


@pytest.mark.parametrize(
    ("source", "truth"),
    [(ZEBRA, HOUSES), (ORDER, ["b", "a"]), (GRAPH, "abc"), (ARC, GRID), (KNIGHTS, {"Ann": "knight", "Bo": "knave"})],
)
def test_the_own_solution_is_correct(source: str, truth: Any) -> None:
    row = Row("1", source, "", truth)
    assert verify_logic(replace(row, response=gold_reply_logic(row))).outcome is Outcome.CORRECT


def test_an_unknown_puzzle_is_named() -> None:
    row = Row("1", "logic__sudoku", "<answer>1</answer>", "1")
    verdict = verify_logic(row)
    assert verdict.outcome is Outcome.ERROR
    assert "logic__sudoku" in verdict.reason
    with pytest.raises(DataError, match="logic__zebra_puzzle"):
        gold_reply_logic(row)
