"""Errors on the page: each in words, each with what can be done, and nothing lost."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from abruzzi.errors import ModelError, RateLimitError
from abruzzi.models.scripted import ScriptedChat, fail, reply
from abruzzi.nouns import Role
from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from abruzzi.serving.settings import KeyLimits, LimitSettings
from tests.pages.browsing import needs_browser
from tests.serving.page.hosting import WAIT_MS, hosting, visiting
from tests.serving.page.models import agreeing
from tests.serving.running import UNLIMITED

pytestmark = needs_browser
expect.set_options(timeout=WAIT_MS)
ANN, BEN = "ann-has-a-long-key-of-her-own", "ben-has-a-long-key-of-his-own"


def ring(limits: KeyLimits = UNLIMITED) -> HashedRing:
    return HashedRing({hash_key(ANN): "ann", hash_key(BEN): "ben"}, None, limits, tell=lambda _: None)


def test_the_key_is_asked_for_kept_in_the_tab_and_sees_only_its_own(browser: Browser, tmp_path: Path) -> None:
    with hosting(agreeing(), tmp_path, keys=ring()) as host, visiting(browser, host) as visit:
        page = visit.page
        expect(page.locator("#key-dialog")).to_be_visible()
        expect(page.locator("#key-trouble")).to_contain_text("no API key")
        page.fill("#key", "a key that is not known here")
        page.keyboard.press("Enter")
        expect(page.locator("#key-trouble")).to_contain_text("not known here")
        page.fill("#key", ANN)
        page.get_by_role("button", name="Use it").click()
        visit.ask("What does ann ask?")
        visit.wait(".verdict-box.answered")
        expect(page.locator("#records li")).to_have_count(1)
        assert page.evaluate("localStorage.length") == 0
        assert page.evaluate("Object.values({...sessionStorage})") == [ANN]
        assert ANN not in page.url
        assert ANN not in page.content()
        page.reload()
        expect(page.locator("#records li")).to_have_count(1)
        page.click("#open-key")
        page.fill("#key", BEN)
        page.keyboard.press("Enter")
        expect(page.locator("#no-records")).to_be_visible()
        page.click("#open-key")
        page.get_by_role("button", name="Forget it").click()
        expect(page.locator("#key-dialog")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        page.keyboard.press("Escape")
        expect(page.locator(".notice-title")).to_have_text("This server asks for an API key")
        visit.check_quiet("401")


def test_a_limit_says_when_to_try_again(browser: Browser, tmp_path: Path) -> None:
    limits = LimitSettings(key=KeyLimits(requests_per_minute=1, concurrent=0))
    with hosting(agreeing(), tmp_path, limits=limits) as host, visiting(browser, host) as visit:
        page = visit.page
        visit.ask("The first")
        visit.wait(".verdict-box.answered")
        visit.ask("The second")
        expect(page.locator(".notice-title")).to_have_text("Too much at once")
        again = page.locator(".notice button")
        expect(again).to_be_disabled()
        expect(again).to_contain_text("Ask again in")
        expect(page.locator("#question")).to_have_value("The second")
        visit.check_quiet("429")


def test_a_model_that_fails_is_told_and_what_was_finished_stays(browser: Browser, tmp_path: Path) -> None:
    plan = reply(json={"plan": "Add the tens first."})
    broken = fail(ModelError("http://upstream answered 500: out of <b>memory</b>"))
    model = ScriptedChat({Role.PLANNER: plan, Role.SOLVER: broken}, max_context=8192)
    with hosting(model, tmp_path) as host, visiting(browser, host) as visit:
        page = visit.page
        visit.ask("What is 17 + 25?")
        visit.wait(".verdict-box.failed")
        expect(page.locator(".notice-title")).to_have_text("The model behind this server failed")
        expect(page.locator(".plan")).to_contain_text("Add the tens first.")
        expect(page.locator(".notice button")).to_have_text("Ask again")
        expect(page.locator(".record-said").first).to_have_text("failed")
        page.locator("#records a").first.click()
        expect(page.locator(".stage")).to_have_text("No answer: failed")
        visit.check_quiet()


def test_an_upstream_limit_is_told(browser: Browser, tmp_path: Path) -> None:
    model = ScriptedChat({Role.SOLVER: fail(RateLimitError("slow down", 429, 7.0))}, max_context=8192)
    with hosting(model, tmp_path) as host, visiting(browser, host) as visit:
        visit.wait("select[name=model]")
        visit.page.select_option("select[name=model]", "abruzzi-single")
        visit.ask("What is 17 + 25?")
        visit.wait(".verdict-box.failed")
        expect(visit.page.locator(".notice.bad")).to_be_visible()
        visit.check_quiet("429", "502", "503")


def test_a_broken_connection_offers_to_reopen_the_question(browser: Browser, tmp_path: Path) -> None:
    with hosting(agreeing(seconds=0.1, never_ends=True), tmp_path) as host, visiting(browser, host) as visit:
        page = visit.page
        visit.ask("What is 17 + 25?")
        visit.wait(".card:has-text('still thinking')")
        host.drop_connections()
        expect(page.locator(".notice-title")).to_have_text("The connection broke")
        expect(page.locator(".card .text").first).to_contain_text("still thinking")
        page.get_by_role("button", name="Reopen it from the history").click()
        page.wait_for_url("**/#/q/**")
        expect(page.locator(".plan")).to_contain_text("Add the tens first.")
        expect(page.locator(".stage")).to_contain_text("stopped")
        expect(page.locator(".card.cancelled .text").first).to_contain_text("still thinking")
        visit.check_quiet("net::ERR")


def test_a_server_that_is_gone_is_said_and_the_page_stays(browser: Browser, tmp_path: Path) -> None:
    with hosting(agreeing(), tmp_path) as host, visiting(browser, host) as visit:
        page = visit.page
        visit.ask("What is 17 + 25?")
        visit.wait(".verdict-box.answered")
        visit.context.set_offline(True)
        visit.ask("And now?")
        expect(page.locator(".notice-title")).to_have_text("The server cannot be reached")
        visit.context.set_offline(False)
        page.get_by_role("button", name="Ask again").click()
        visit.wait(".verdict-box.answered")
        expect(page.locator(".question")).to_have_text("And now?")
        visit.check_quiet("net::ERR")
