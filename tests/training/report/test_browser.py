"""The training report in a real browser, offline: no error, no request but its own, no overflow, printed whole."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from abruzzi.training.report.write import write_reports
from tests.pages.browsing import A4_WIDTH, CUT, LUMINANCES, OVERFLOW, needs_browser, open_page, run_browser
from tests.training.report.test_write import make_runs

pytestmark = needs_browser

browser = pytest.fixture(scope="module")(run_browser)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    return write_reports(make_runs(folder), folder / "out", {"command": "abruzzi train report " + "x" * 200})[1]


@pytest.mark.parametrize(("width", "is_dark"), [(390, True), (1200, False)])
def test_the_page_opens_without_a_complaint_a_request_or_an_overflow(
    browser: Browser, report: Path, *, width: int, is_dark: bool
) -> None:
    page = open_page(browser, report, width=width, is_dark=is_dark)
    assert page.evaluate(OVERFLOW) == 0
    ground, ink = page.evaluate(LUMINANCES)
    assert (ground < 0.2 and ink > 0.8) if is_dark else (ground > 0.9 and ink < 0.2)
    page.context.close()


def test_no_printed_table_is_cut(browser: Browser, report: Path) -> None:
    page = open_page(browser, report, width=A4_WIDTH)
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    assert page.evaluate(OVERFLOW) == 0
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.context.close()
