"""The paper's tables: complete, honest about their sources, and recomputed by our statistics."""

from importlib.resources import files

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.paper.tables import (
    ABLATION,
    MACRO,
    MAIN,
    MATHS,
    MICRO,
    Cell,
    average_maths,
    find_cells,
    read_cells,
    read_sizes,
)
from abruzzi.statistics.averages import macro_average, micro_average, ranks

K2_THINK = "K2-Think 32B"


def printed(table: str, row: str, column: str) -> float:
    (cell,) = find_cells(table, row=row, column=column)
    assert cell.number is not None
    return cell.number


def test_the_file_is_part_of_the_package() -> None:
    assert files("abruzzi.evaluation.paper").joinpath("paper_tables.csv").is_file()
    assert len(read_cells()) == 244


def test_every_cell_says_where_it_is_from_and_how_sure_it_is() -> None:
    flags = ("yes", "no", "derived", "partly")
    for cell in read_cells():
        assert cell.source, cell
        assert "()" not in cell.source, cell
        assert cell.source == cell.source.strip()
        assert cell.verified.startswith(flags), cell


def test_what_rests_on_memory_is_never_verified() -> None:
    remembered = [cell for cell in read_cells() if "memory" in cell.source]
    assert len(remembered) > 40
    assert not any(cell.is_verified for cell in remembered)


def test_a_cell_is_read_as_it_stands() -> None:
    (cell,) = find_cells(MAIN, row=K2_THINK, column="AIME24")
    assert cell == Cell(
        MAIN,
        K2_THINK,
        "AIME24",
        "90.83",
        "model card LLM360/K2-Think README (stored copy); MarkTechPost article mirror",
        "yes",
    )
    assert (cell.number, cell.is_verified) == (90.83, True)


def test_what_is_no_number_is_none() -> None:
    doubtful = find_cells("safety_sub", row="Conversational Robustness", column="DialogueSafety")
    assert [(cell.value, cell.number) for cell in doubtful] == [("1.00?", None)]


def test_no_cell_of_a_score_table_stands_twice() -> None:
    keys = [(c.table, c.row, c.column) for c in read_cells() if c.table in (MAIN, ABLATION, "matharena")]
    assert len(keys) == len(set(keys))


def test_sizes() -> None:
    assert [read_sizes()[column] for column in MATHS] == [30, 30, 30, 173]


def test_the_published_micro_average_by_hand_and_by_our_statistics() -> None:
    by_hand = (30 * 90.83 + 30 * 81.24 + 30 * 73.75 + 173 * 60.73) / 263
    assert average_maths(MAIN, K2_THINK).micro == pytest.approx(by_hand, abs=1e-12)
    assert f"{by_hand:.2f}" == "67.99"
    assert printed(MAIN, K2_THINK, MICRO) == 67.99


def test_the_macro_average_of_the_published_cells() -> None:
    assert f"{average_maths(MAIN, K2_THINK).macro:.2f}" == "76.64"


@pytest.mark.parametrize(
    ("row", "micro", "macro"),
    [
        ("SFT+RL checkpoint", "63.61", "71.80"),
        ("+ Plan only", "65.95", "74.27"),
        ("+ Bo3 only", "66.85", "75.66"),
        ("+ Plan + Bo3 (K2-Think)", "67.99", "76.64"),
    ],
)
def test_the_averages_of_the_ablation(row: str, micro: str, macro: str) -> None:
    averages = average_maths(ABLATION, row)
    # The exact macro average of the last two rows ends in …5 (75.655, 76.6375): the printed digits round half up.
    assert averages.micro == pytest.approx(float(micro), abs=0.005)
    assert averages.macro == pytest.approx(float(macro), abs=0.005 + 1e-9)
    assert printed(ABLATION, row, MICRO) == float(micro)
    assert printed(ABLATION, row, MACRO) == float(macro)


def test_every_printed_average_follows_from_its_cells() -> None:
    averages = [cell for table in (MAIN, ABLATION) for cell in find_cells(table) if cell.column in (MICRO, MACRO)]
    assert len(averages) == 12
    for cell in averages:
        found = average_maths(cell.table, cell.row)
        expected = found.micro if cell.column == MICRO else found.macro
        assert cell.number == pytest.approx(expected, abs=0.005 + 1e-9), cell


def test_token_counts_agree_with_the_percentages() -> None:
    for change in find_cells("token_count", row="change SFT+RL -> K2-Think (%)"):
        before = printed("token_count", "SFT+RL checkpoint (avg tokens)", change.column)
        after = printed("token_count", "K2-Think (avg tokens)", change.column)
        assert change.number == pytest.approx(100 * (after / before - 1), abs=0.1), change


def test_the_safety_macro_average_follows_from_its_parts() -> None:
    for table in ("safety4", "safety4_older_card"):
        parts = {cell.row: cell.number or 0.0 for cell in find_cells(table) if "macro" not in cell.row}
        (macro,) = find_cells(table, row="Safety-4 macro")
        assert len(parts) == 4
        assert macro.number == pytest.approx(macro_average(parts), abs=0.005)


def test_two_thirds_of_the_micro_average_are_one_benchmark() -> None:
    only_omni = dict.fromkeys(MATHS, 0.0) | {"Omni-MATH-HARD": 1.0}
    assert micro_average(only_omni, read_sizes()) == pytest.approx(173 / 263)


def test_the_lead_over_two_larger_models_rests_on_that_benchmark() -> None:
    # The cells of both rivals are remembered, not verified; with them:
    systems = {
        row: {column: printed(MAIN, row, column) for column in MATHS}
        for row in (K2_THINK, "GPT-OSS 120B", "DeepSeek V3.1 671B (37B active)")
    }
    assert ranks(systems, read_sizes())[None][K2_THINK] == 1
    assert ranks(systems, read_sizes())["Omni-MATH-HARD"][K2_THINK] == 3
    assert ranks(systems, read_sizes(), "macro")[None][K2_THINK] == 3


def test_a_row_without_all_four_has_no_average() -> None:
    with pytest.raises(DataError, match="'K2-Think' of table 'matharena' has no value for AIME24"):
        average_maths("matharena", "K2-Think")
