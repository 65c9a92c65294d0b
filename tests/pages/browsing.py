"""A page in a real browser, offline."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LUMINANCES = """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]
    .map(colour => colour.match(/[0-9]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765)"""
CUT = """() => [...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.getAttribute('aria-label'))"""
DRAWN = """() => [...document.querySelectorAll('svg.drawing use, svg.drawing text')]
    .map(shape => getComputedStyle(shape)).filter(style => style.fill !== 'none').map(style => style.fill)"""
A4_WIDTH = 688
"""Pixels between the margins of a printed page: 182 mm at 96 a inch."""


def run_browser() -> Iterator[Browser]:
    """Run a browser as a fixture does."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def open_page(browser: Browser, report: Path, *, width: int = 1200, is_dark: bool = False) -> Page:
    """Open the report, and see that the browser neither complains nor asks for anything else."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if is_dark else "light", offline=True
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(report.as_uri())
    assert said == [report.as_uri()], "nothing but the page itself was asked for, and nothing complained"
    return page
