"""The order of a report: which sections it has and which tables stand in them, the same in every format."""

from abruzzi.evaluation.component_table import ComponentTable
from abruzzi.evaluation.report.component_tables import component_tables, solver_of
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.report.score_tables import curve_tables, domain_tables, price_tables, score_tables
from abruzzi.evaluation.report.settings_tables import settings_tables
from abruzzi.evaluation.report.summary import summarise
from abruzzi.pages.page import Page, Section
from abruzzi.pages.table import fact_table, join_words, plain


def lay_out(report: ReportInput) -> Page:
    """Lay a report out as a page, the same for every format."""
    made_on = [describe_solvers(report), plain(report.facts.get("date", ""))]
    return Page(report.title, " · ".join(filter(None, made_on)), tuple(summarise(report)), tuple(outline(report)))


def outline(report: ReportInput) -> list[Section]:
    """Order a report; what it has nothing to say about has no section."""
    sections = [
        Section(
            component_key(number),
            _component_title(table, len(report.tables)),
            tuple(component_tables(table)),
            tuple(fact_table("Made under", table.facts)),
        )
        for number, table in enumerate(report.tables)
    ]
    comparison = (report.comparison_markdown or "").strip()
    sections += [
        Section("scores", "Scores", tuple(score_tables(report))),
        Section("runs", "More runs", tuple(curve_tables(report))),
        Section("price", "Price, length and what became of the samples", tuple(price_tables(report))),
        Section("domains", "Domains", tuple(domain_tables(report))),
        Section("published", "Beside published results", (), markdown=comparison),
        Section("settings", "Settings and provenance", (*settings_tables(report), *fact_table("Facts", report.facts))),
    ]
    has_domains = any(score.domains for score in report.scores)
    return [
        section
        for section in sections
        if section.tables or section.intro or section.markdown or (section.key == "domains" and has_domains)
    ]


def describe_solvers(report: ReportInput) -> str:
    """Name the models that solved, as prose does; empty where nothing says who did."""
    names = [plain(score.protocol.models["solver"].name) for score in report.scores] + list(
        map(solver_of, report.tables)
    )
    return join_words([name for name in dict.fromkeys(names) if name])


def component_key(number: int) -> str:
    """Give the key of the section of one component table, counted from 0."""
    return f"components-{number + 1}"


def _component_title(table: ComponentTable, num_tables: int) -> str:
    model = solver_of(table)
    return f"What each part is worth: {model}" if model and num_tables > 1 else "What each part is worth"
