"""Writes a report as one HTML page. What the sections are is decided in ``outline``, what is drawn in ``figures``."""

from abruzzi.config import missing_package
from abruzzi.evaluation.report.outline import lay_out
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.pages.html import write_page


def write_html(report: ReportInput) -> str:
    """Write a report as a page to be opened offline, read on any screen, and printed.

    Args:
        report: what it shows; any part may be empty.

    Returns:
        The whole page, the same for the same input.

    Raises:
        ConfigError: a package that pages need is missing.
    """
    try:
        from abruzzi.evaluation.report.figures import draw_plots
    except ModuleNotFoundError as error:
        raise missing_package("the HTML report", str(error.name)) from error
    return write_page(lay_out(report), draw_plots(report))
