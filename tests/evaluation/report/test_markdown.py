"""The report as Markdown: structure, escaping, emptiness."""

import re

from markdown_it import MarkdownIt

from abruzzi.evaluation.report.markdown import write_markdown
from abruzzi.evaluation.report.outline import describe_solvers, outline
from abruzzi.evaluation.report.report_input import ReportInput
from tests.evaluation.report.example import make_report, make_row, make_score, make_table

HOSTILE = "a|b <script>alert(1)</script> [x](javascript:y) *z* _w_ `v` $t$ &lt;"


def test_summary_comes_first_and_settings_last() -> None:
    headings = re.findall(r"^## (.*)$", write_markdown(make_report()), re.MULTILINE)
    assert headings == [
        "Summary",
        "What each part is worth",
        "Scores",
        "More runs",
        "Price, length and what became of the samples",
        "Domains",
        "Beside published results",
        "Settings and provenance",
    ]


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", write_markdown(make_report()), re.MULTILINE)
    assert len(blocks) > 15
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_names_of_people_cannot_become_markup_or_break_a_table() -> None:
    row = make_row("components", HOSTILE, HOSTILE, 0.1, note=HOSTILE)
    table = make_table({})
    report = ReportInput(
        HOSTILE,
        (make_score(domains={HOSTILE: row.accuracy, "b": row.accuracy}),),
        (type(table)((row,), {HOSTILE: HOSTILE}, {}, {}),),
        facts={"command": HOSTILE},
    )
    html = MarkdownIt("commonmark").enable("table").render(write_markdown(report))
    assert "<script" not in html
    assert "<a " not in html
    assert "<em>" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


def test_a_comparison_goes_in_as_it_is() -> None:
    markdown = write_markdown(ReportInput("t", comparison_markdown="| a |\n| --- |\n| **b** |\n"))
    assert "## Beside published results\n\n| a |\n| --- |\n| **b** |\n" in markdown


def test_an_empty_report_is_its_title() -> None:
    assert write_markdown(ReportInput("Nothing yet")) == "# Nothing yet\n"


def test_the_same_input_gives_the_same_text() -> None:
    assert write_markdown(make_report()) == write_markdown(make_report())


def test_a_section_of_plots_alone_has_no_heading_in_markdown() -> None:
    report = ReportInput("t", (make_score("single", "gsm8k"),))
    assert "domains" in [section.key for section in outline(report)]
    assert "## Domains" not in write_markdown(report)


def test_an_ablation_alone_names_its_solver() -> None:
    assert describe_solvers(ReportInput("t", tables=(make_table(),))) == "SmolLM2-135M-Instruct"
    assert describe_solvers(make_report()) == "SmolLM2-135M-Instruct"
    assert describe_solvers(ReportInput("t")) == ""


def test_two_ablations_have_a_section_each() -> None:
    titles = {s.key: s.title for s in outline(ReportInput("t", tables=(make_table(), make_table())))}
    assert titles == {
        "components-1": "What each part is worth: SmolLM2-135M-Instruct",
        "components-2": "What each part is worth: SmolLM2-135M-Instruct",
    }
