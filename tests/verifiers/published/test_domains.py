"""What the public graders do beyond the cases file, worked out by hand from their published behaviour."""

from typing import Any

import pytest

from abruzzi.verifiers.published.instructions import score_instructions
from abruzzi.verifiers.published.logic import score_logic
from abruzzi.verifiers.published.science import score_science
from abruzzi.verifiers.published.simulation import score_simulation
from abruzzi.verifiers.published.tables import score_tables
from abruzzi.verifiers.row import Row

TABLE = {"header": ["House", "Name"], "rows": [["1", "Ann"], ["2", "Bo"]]}


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("<answer>{'rows': [['1', 'Ann'], ['2', 'Bo']]}</answer>", 1),
        ("<answer>{'rows': [['1', 'Ann', 'x'], ['2', 'Bo'], ['3', 'Cy']]}</answer>", 1),
        ("<answer>{'rows': [['1', 'Bo'], ['2', 'Bo']]}</answer>", 0.75),
        ("<answer>{'rows': [['1', 'Ann']]}</answer>", 0),
        ("<answer>\n{'rows': [['1', 'Ann'], ['2', 'Bo']]}</answer>", 0),
        ('<answer>{"rows": [["1", "Ann"], ["2", null]]}</answer>', 0.75),
        ("<answer>[1]</answer>", 0),
        ("none", 0),
    ],
)
def test_zebra(answer: str, score: float) -> None:
    assert score_logic(Row("1", "logic__zebra_puzzle_dataset", answer, TABLE)) == score


@pytest.mark.parametrize(
    ("answer", "truth", "score"),
    [
        ("['a', 'b']", ["a", "b"], 1),
        ("[a, b]", ["a", "b"], 1),
        ("['A', 'b']", ["A", "b"], 0),
        ("[]", [], 1),
        ("['a',]", ["a"], 1),
        ("['A',]", ["a"], 0),
        ("[x-y]", ["x", "y"], 1),
        ("a, b", ["a", "b"], 0),
        ("['a']", "a", 0),
    ],
)
def test_ordering(answer: str, truth: Any, score: float) -> None:
    assert score_logic(Row("1", "logic__ordering_puzzle_dataset", f"<answer>{answer}</answer>", truth)) == score


@pytest.mark.parametrize(
    ("response", "truth", "score"),
    [
        ("<answer>[[1, 0]]</answer>", [[1, 0]], 1),
        ("<answer>[[1.9, '0'], [2, 3]]</answer>", [[1, 0], [2, 3]], 0),
        ("<answer>[[1.9, True]]</answer>", [[1, 1]], 1),
        ("<answer>[['1', ' 0']]</answer>", [[1, 0]], 1),
        ("<answer>[[1, 0], [0]]</answer>", [[0]], 0),
        ("nothing", [[0]], 1),
        ("<answer>[[1, 0]]</answer>", [[1, 0, 0]], 0),
        ("<answer>[[-1]]</answer>", [[-1]], 0),
    ],
)
def test_grids(response: str, truth: Any, score: float) -> None:
    assert score_logic(Row("1", "simulation__arcagi2", response, truth)) == score


def test_a_grid_of_grids_raises_and_so_does_an_unrouted_source() -> None:
    with pytest.raises(ValueError, match="nested"):
        score_logic(Row("1", "simulation__barc", "<answer>[[ [1], [0] ]]</answer>", [[1, 0]]))
    with pytest.raises(NotImplementedError):
        score_logic(Row("1", "logic__barc", "<answer>[[1]]</answer>", [[1]]))


@pytest.mark.parametrize(
    ("response", "truth", "score"),
    [
        ("```python\nx\n``` ```json\n42\n```", '"output": 42', 0),
        ('```python\n{"output": 42}\n```', '"output": 42', 1),
        ('<think>```json\n{"output": 42}```</think>```json\n{"output": 1}```', '"output": 42', 1),
        ('{"output": true}', '"output": 1', 1),
        ("rubbish", '"output": null', 1),
        ('{"output": "TRUE"}', "True", 1),
        ('{"x": {"output": 1}', '"output": 1', 0),
        ('{"output": "[1, 2]"}', '"output": [1, 2]', 1),
        ('{"output": 5}', "5", 1),
    ],
)
def test_simulation(response: str, truth: str, score: float) -> None:
    assert score_simulation(Row("1", "simulation__codeio", response, truth)) == score


@pytest.mark.parametrize(
    ("response", "truth", "score"),
    [
        ("\\boxed{9|10}", "9|10", 1),
        ("\\boxed{9.0|10}", "9|10", 1),
        ("\\boxed{10.0|9}", "9|10", 1),
        ("\\boxed{100|9}", "9.0|100", 1),
        ("\\boxed{0.1|9}", "10|9", 1),
        ("42", "42", 1),
        ("so 42", "42", 0),
        ("\\boxed{9**9**9}", "1", 0),
        ("\\boxed{6.2832}", "2\\pi", 1),
        ("\\boxed{101}", "101_2", 1),
        ("\\boxed{x}", "a_b", 0),
        ("\\boxed{5}", "a_b", 0),
        ("\\boxed{42.0}", "(42.0)", 1),
        ("\\boxed{42}", "$42 million", 0),
        ("\\boxed{\\text{men}}", "men", 0),
        ("\\boxed{{42}}", "42", 0),
        ("<think>\\boxed{1}</think> \\boxed{2}</think> 3", "3", 1),
    ],
)
def test_tables(response: str, truth: str, score: float) -> None:
    assert score_tables(Row("1", "table__hitab", response, truth)) == score


def test_a_framed_box_raises() -> None:
    with pytest.raises(AssertionError):
        score_tables(Row("1", "table__hitab", "\\fbox{1}", "1"))


@pytest.mark.parametrize(
    ("source", "response", "score"),
    [
        ("stem__supergpqa", "\\boxed{B or A}", 1),
        ("stem__supergpqa", "Assistant: \\boxed{B} Assistant: \\boxed{A}", 1),
        ("stem__supergpqa", "\\boxed{A}<|im_end|>\\boxed{B}", 1),
        ("stem__supergpqa", "<|im_start|>user\n\\boxed{B}<|im_start|>assistant\n\\boxed{A}", 1),
        ("stem__supergpqa", "The answer is: A\n", 1),
        ("stem__gpqa_diamond", "\\boxed{\\text{{A}}}", 1),
        ("stem__gpqa_diamond_no_box", "answer: a", 0),
        ("stem__gpqa_diamond_no_box", "Answer: A then Answer: B", 1),
    ],
)
def test_letters(source: str, response: str, score: float) -> None:
    assert score_science(Row("1", source, response, "A")) == score


def test_a_random_letter_is_the_same_for_the_same_row() -> None:
    row = Row("1", "stem__supergpqa", "no answer", "A")
    assert score_science(row) == score_science(row)


def test_the_judge_is_believed_whatever_it_repeats() -> None:
    row = Row("1", "stem_web", "\\boxed{Final Decision: Yes}", "42", {"question": "?"})
    assert score_science(row, lambda prompt: prompt) == 1
    assert score_science(row) == 0
    with pytest.raises(KeyError):
        score_science(Row("1", "stem_web", "\\boxed{1}", "1"))
    with pytest.raises(NotImplementedError):
        score_science(Row("1", "stem__web", "\\boxed{1}", "1", {"question": "?"}))


def follows(response: str, name: str, **settings: Any) -> float:
    return score_instructions(Row("1", "ood__ifeval", response, [settings], {"instruction_id_list": [name]}))


def test_instructions_keep_the_public_oddities() -> None:
    assert follows("- a\n---\n-5", "detectable_format:number_bullet_lists", num_bullets=3) == 1
    assert follows("axb", "keywords:existence", keywords=["a.b"]) == 1
    assert follows("My answer is yes. My answer is no.", "detectable_format:constrained_response") == 1
    assert follows("一，二", "punctuation:no_comma") == 1
    assert follows("a</think>b, c</think>d", "punctuation:no_comma") == 0
    assert (
        follows(
            "p\n\n\n\nq",
            "length_constraints:nth_paragraph_first_word",
            num_paragraphs=2,
            nth_paragraph=2,
            first_word="q",
        )
        == 0
    )
    assert follows("***x***", "detectable_format:number_highlighted_sections", num_highlights=2) == 1
    assert follows("[] []", "detectable_content:number_placeholders", num_placeholders=2.0) == 1
    assert follows(" ", "punctuation:no_comma") == 0
    assert follows("DON'T", "change_case:capital_word_frequency", capital_frequency=2, capital_relation="at least") == 1


def test_instructions_raise_where_the_public_code_raises() -> None:
    with pytest.raises(KeyError):
        follows("x", "no:such")
    with pytest.raises(TypeError):
        follows("x", "punctuation:no_comma", bogus=1)
    with pytest.raises(ValueError, match="relation"):
        follows("x", "keywords:frequency", keyword="x", frequency=1, relation="at most")
    with pytest.raises(ValueError, match="prompt_to_repeat"):
        follows("x", "combination:repeat_prompt")
    with pytest.raises(NotImplementedError):
        score_instructions(Row("1", "ood__ifbench", "x", [{}]))


def test_a_missing_setting_is_drawn_the_same_for_the_same_row() -> None:
    assert follows("- a", "detectable_format:number_bullet_lists") == follows(
        "- a", "detectable_format:number_bullet_lists"
    )
