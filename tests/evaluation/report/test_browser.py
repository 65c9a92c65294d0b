"""The page in a real browser, offline: no error, no request but its own, no overflow, light, dark and printed."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from abruzzi.evaluation.protocol import ModelIdentity
from abruzzi.evaluation.report.html import write_html
from tests.evaluation.report.example import around, make_protocol, make_report, make_score, make_table
from tests.pages.browsing import A4_WIDTH, CUT, DRAWN, LUMINANCES, OVERFLOW, needs_browser, open_page, run_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    curve = {2**power: around(0.5 + 0.07 * power) for power in range(7)}
    other = make_protocol(models={"solver": ModelIdentity(spec="x", name="another_small_model_of_a_long_name_Q8_0")})
    first = make_score("full", "arithmetic-mix", pass_at=curve, majority_at=curve)
    scores = (first, replace(first, protocol=other.model_copy(update={"benchmark": first.protocol.benchmark})))
    path = tmp_path_factory.mktemp("report") / "report.html"
    report = make_report(scores=scores, tables=(make_table({"arithmetic-mix": 1.0}),))
    path.write_text(write_html(report), encoding="utf-8")
    return path


browser = pytest.fixture(scope="module")(run_browser)


@pytest.mark.parametrize(("width", "is_dark"), [(390, True), (1200, False)])
def test_the_page_opens_without_a_complaint_a_request_or_an_overflow(
    browser: Browser, report: Path, *, width: int, is_dark: bool
) -> None:
    page = open_page(browser, report, width=width, is_dark=is_dark)
    assert page.evaluate(OVERFLOW) == 0
    ground, ink = page.evaluate(LUMINANCES)
    assert (ground < 0.2 and ink > 0.8) if is_dark else (ground > 0.9 and ink < 0.2)
    fills = page.evaluate(DRAWN)
    assert fills
    assert "rgb(0, 0, 0)" not in fills, "no shape was left without a colour of the page"
    assert not [fill for fill in fills if re.fullmatch(r"rgb\(0, [01], \d\)", fill)], "no stand-in colour is left"
    page.context.close()


def test_wide_tables_scroll_by_keyboard_inside_the_page(browser: Browser, report: Path) -> None:
    page = open_page(browser, report, width=390)
    box = page.locator('.scroll[aria-label="Accuracy"]')
    box.focus()
    page.keyboard.press("ArrowRight")
    wait_until(page, "document.activeElement.scrollLeft > 0")
    page.context.close()


def test_a_link_leads_to_its_section(browser: Browser, report: Path) -> None:
    page = open_page(browser, report)
    page.get_by_role("link", name="Settings and provenance").click()
    wait_until(page, "document.getElementById('settings').getBoundingClientRect().top < innerHeight")
    page.context.close()


def test_no_printed_table_is_cut_and_paper_is_white_also_in_the_dark(browser: Browser, report: Path) -> None:
    page = open_page(browser, report, width=A4_WIDTH, is_dark=True)
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    assert page.evaluate(OVERFLOW) == 0
    ground, ink = page.evaluate(LUMINANCES)
    assert (ground, ink < 0.2) == (1, True)
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.context.close()


def wait_until(page: Page, condition: str) -> None:
    """Wait for a condition in the page, which moves smoothly: playwright's own waiting is forbidden by its policy."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 5 s: {condition}")
