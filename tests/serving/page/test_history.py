"""The history on the page: listed, searched, opened, deleted, each owner's own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.browsing import needs_browser
from tests.serving.page.hosting import WAIT_MS, Host, hosting, visiting
from tests.serving.page.models import QUESTION, showcase

pytestmark = needs_browser
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(showcase(seconds=0.1), tmp_path_factory.mktemp("store")) as running:
        yield running


def test_a_question_is_listed_found_opened_and_deleted(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        expect(page.locator("#no-records")).to_be_visible()
        for question in ("Which river is the longest?", QUESTION):
            visit.ask(question)
            expect(page.locator(".question")).to_have_text(question)
            visit.wait(".verdict-box.answered")
            expect(page.locator("#records .record-name").first).to_have_text(question)
        page.fill("#search", "RIVER")
        expect(page.locator("#records li")).to_have_count(1)
        page.fill("#search", "nothing of the kind")
        expect(page.locator("#no-records")).to_have_text("Nothing found.")
        page.fill("#search", "")
        expect(page.locator("#records li")).to_have_count(2)

        page.locator("#records a", has_text="river").click()
        expect(page.locator(".question")).to_have_text("Which river is the longest?")
        expect(page.locator("#records a[aria-current=page]")).to_contain_text("river")
        visit.wait(".verdict-box.answered")
        expect(page.locator(".card")).to_have_count(3)
        assert page.title() == "Which river is the longest? · Abruzzi"
        page.reload()
        expect(page.locator(".question")).to_have_text("Which river is the longest?")

        page.get_by_role("button", name="Delete: Which river is the longest?").click()
        expect(page.locator("#confirm-dialog")).to_be_visible()
        page.get_by_role("button", name="Keep it").click()
        expect(page.locator("#records li")).to_have_count(2)
        page.get_by_role("button", name="Delete: Which river is the longest?").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.locator("#records li")).to_have_count(1)
        expect(page.locator(".run")).to_have_count(0)
        page.reload()
        expect(page.locator("#records li")).to_have_count(1)
        visit.check_quiet()


def test_a_record_shows_the_same_as_its_stream_did(browser: Browser, host: Host) -> None:
    parts = (".answer", ".decision", ".plan", ".candidates", ".clusters", ".matches", ".bill")
    with visiting(browser, host) as visit:
        page = visit.page
        page.click(".more summary")
        page.fill("input[name=n]", "4")
        visit.ask(QUESTION)
        visit.wait(".verdict-box.answered")
        expect(page.locator(".reason:has(math)")).to_have_count(2)
        expect(page.locator(".card:has(math)")).to_have_count(4)
        live = [page.locator(part).inner_text() for part in parts]
        page.locator("#records a").first.click()
        page.wait_for_url("**/#/q/**")
        page.reload()
        expect(page.locator(".reason:has(math)")).to_have_count(2)
        expect(page.locator(".card:has(math)")).to_have_count(4)
        assert [page.locator(part).inner_text() for part in parts] == live
        visit.check_quiet()


def test_what_is_not_there_is_said(browser: Browser, host: Host) -> None:
    with visiting(browser, host, path="/#/q/chatcmpl-gone") as visit:
        expect(visit.page.locator(".notice-title")).to_have_text("There is no such thing here")
        visit.check_quiet("404")


def test_without_a_store_there_is_no_history(browser: Browser) -> None:
    with hosting(showcase(seconds=0.05), None) as host, visiting(browser, host) as visit:
        visit.wait(".settings")
        expect(visit.page.locator("#history")).to_be_hidden()
        visit.ask(QUESTION)
        visit.wait(".verdict-box.answered")
        visit.check_quiet()
