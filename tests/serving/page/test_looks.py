"""How the page looks and reads: contrast, widths, themes, motion, focus, names. Measured in the browser."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.browsing import LUMINANCES, OVERFLOW, needs_browser
from tests.serving.page.hosting import WAIT_MS, Host, Visit, hosting, visiting
from tests.serving.page.models import QUESTION, showcase

pytestmark = needs_browser
expect.set_options(timeout=WAIT_MS)

CONTRASTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const read = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = read(getComputedStyle(e).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const low = [];
    let seen = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        if (element.closest(".unseen, option, noscript, :disabled")) continue;
        const style = getComputedStyle(element);
        const [one, other] = [luminance(read(style.color)), luminance(ground(element))].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        seen += 1;
        if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${style.color} ${element.className}: ${node.data.slice(0, 40)}`);
    }
    return {seen, low};
}"""
UNNAMED = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, summary, [role=region]")]
    .filter((e) => e.checkVisibility())
    .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.labels?.length
        || e.textContent.trim() || e.title))
    .map((e) => e.outerHTML)"""
TWICE = """() => { const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    return ids.filter((id, index) => ids.indexOf(id) !== index); }"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(showcase(seconds=0.1), tmp_path_factory.mktemp("store")) as running:
        yield running


def finish(visit: Visit) -> None:
    """Ask the question that fills every part of the page."""
    visit.wait(".settings")
    visit.page.click(".more summary")
    visit.page.fill("input[name=n]", "4")
    visit.ask(QUESTION)
    visit.wait(".verdict-box.answered")
    visit.wait(".reason math")


@pytest.mark.parametrize("is_dark", [False, True])
def test_every_text_has_contrast_enough(browser: Browser, host: Host, *, is_dark: bool) -> None:
    with visiting(browser, host, is_dark=is_dark) as visit:
        finish(visit)
        visit.page.mouse.move(0, 0)
        measured: dict[str, Any] = visit.page.evaluate(CONTRASTS)
        assert measured["low"] == []
        assert measured["seen"] > 100
        ground, ink = visit.page.evaluate(LUMINANCES)
        assert (ground < 0.2 and ink > 0.8) if is_dark else (ground > 0.9 and ink < 0.2)
        visit.page.click("#open-help")
        assert visit.page.evaluate(CONTRASTS)["low"] == []
        visit.check_quiet()


@pytest.mark.parametrize("widths", [(320, 360, 390), (1920, 1024, 768)])
def test_no_width_scrolls_sideways(browser: Browser, host: Host, widths: tuple[int, ...]) -> None:
    """Each of them before a question, after it and beside another; the first is the one that the page opens at."""
    with visiting(browser, host, width=widths[0]) as visit:
        page = visit.page

        def measure() -> dict[int, int]:
            found: dict[int, int] = {}
            for width in widths:
                page.set_viewport_size({"width": width, "height": 900})
                found[width] = page.evaluate(OVERFLOW)
            page.set_viewport_size({"width": widths[0], "height": 900})
            return found

        visit.wait(".settings")
        assert measure() == dict.fromkeys(widths, 0)
        finish(visit)
        assert measure() == dict.fromkeys(widths, 0)
        page.goto(f"{host.url}/#/compare")
        visit.wait(".settings >> nth=1")
        assert measure() == dict.fromkeys(widths, 0)
        visit.check_quiet()


def test_two_sides_fit_a_telephone(browser: Browser, host: Host) -> None:
    with visiting(browser, host, width=360, height=740, path="/#/compare") as visit:
        visit.wait(".settings >> nth=1")
        visit.ask(QUESTION)
        expect(visit.page.locator(".verdict-box.answered")).to_have_count(2)
        assert visit.page.evaluate(OVERFLOW) == 0
        visit.check_quiet()


def test_the_history_of_a_telephone_opens_and_closes(browser: Browser, host: Host) -> None:
    with visiting(browser, host, width=360, height=740) as visit:
        page = visit.page
        visit.wait(".settings")
        expect(page.locator("#search")).to_be_hidden()
        page.click("#open-history")
        expect(page.locator("#search")).to_be_focused()
        expect(page.locator("#open-history")).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("Escape")
        expect(page.locator("#search")).to_be_hidden()
        expect(page.locator("#open-history")).to_be_focused()
        visit.check_quiet()


def test_the_theme_is_switched_and_kept(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        switch = page.locator("#switch-theme")
        expect(switch).to_have_attribute("aria-label", "Theme: automatic")
        switch.click()
        switch.click()
        expect(switch).to_have_attribute("aria-label", "Theme: dark")
        assert page.evaluate(LUMINANCES)[0] < 0.2
        page.reload()
        assert page.evaluate(LUMINANCES)[0] < 0.2
        switch.click()
        expect(switch).to_have_attribute("aria-label", "Theme: automatic")
        assert page.evaluate(LUMINANCES)[0] > 0.9
        visit.check_quiet()


def test_nothing_moves_where_the_reader_wants_no_motion(browser: Browser, host: Host) -> None:
    with visiting(browser, host, reduced_motion="reduce") as visit:
        visit.wait(".settings")
        visit.ask(QUESTION)
        visit.wait(".steps .active")
        assert visit.page.evaluate("document.getAnimations().length") == 0
        visit.wait(".verdict-box.answered")
        visit.check_quiet()


def test_focus_is_seen_and_everything_has_a_name(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        finish(visit)
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(TWICE) == []
        page.locator(".skip").focus()
        seen: set[str] = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            style = page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement); return [document.activeElement.tagName,"
                " s.outlineStyle, parseFloat(s.outlineWidth)]; }"
            )
            assert style[0] == "BODY" or (style[1] != "none" and style[2] >= 2), style
            seen.add(style[0])
        assert {"BUTTON", "A", "INPUT", "TEXTAREA", "SELECT", "SUMMARY"} <= seen
        levels = page.evaluate("[...document.querySelectorAll('main :is(h1,h2,h3,h4)')].map((h) => +h.tagName[1])")
        assert levels[0] == 1
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
        visit.check_quiet()
