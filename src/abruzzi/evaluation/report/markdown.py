"""Writes a report as Markdown: summary, tables with footnotes, settings; no plots."""

from abruzzi.evaluation.report.outline import lay_out
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.pages.markdown import write_document


def write_markdown(report: ReportInput) -> str:
    """Write a report as Markdown.

    Args:
        report: what it shows; any part may be empty.

    Returns:
        The whole document, the same for the same input.
    """
    return write_document(lay_out(report))
