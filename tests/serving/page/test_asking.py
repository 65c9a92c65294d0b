"""Asking on the page: everything that happens is seen while it happens, and can be stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from abruzzi.models.scripted_demo import demonstrate
from abruzzi.reasoning.settings import AskSettings
from tests.pages.browsing import needs_browser
from tests.serving.page.hosting import WAIT_MS, Host, hosting, visiting
from tests.serving.page.models import QUESTION, agreeing, showcase

pytestmark = needs_browser
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(showcase(), tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    # Slow enough for a busy machine to look while the plan is being written.
    with hosting(agreeing(seconds=3.0, never_ends=True), tmp_path_factory.mktemp("slow")) as running:
        yield running


def test_a_question_is_seen_from_its_plan_to_its_bill(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        page.click(".more summary")
        page.fill("input[name=n]", "4")
        visit.ask(QUESTION)
        visit.wait(".verdict-box.answered")
        expect(page.locator(".answer")).to_have_text("89")
        expect(page.locator(".decision")).to_contain_text("was preferred by the judge in both orders.")
        expect(page.locator(".plan math").first).to_be_visible()
        assert page.locator(".card").count() == 4
        letters = page.locator(".card .badge").all_inner_texts()
        assert letters in (["A", "B", "A", "B"], ["B", "A", "B", "A"]), "in the order in which the answers came"
        expect(page.locator(".card.chosen .state")).to_have_text("chosen")
        expect(page.locator(".card.chosen .code-keyword").first).to_have_text("def")
        expect(page.locator(".card.chosen .boxed")).to_be_visible()
        assert page.locator(".clusters li").count() == 2
        expect(page.locator(".clusters li .size").first).to_have_text("2 of 4")
        expect(page.locator(".verdict")).to_contain_text("wins in both orders")
        orders = page.locator(".votes .order").all_inner_texts()
        assert len(orders) == 2
        assert {text.split(" shown first")[0] for text in orders} == {"Candidate 1", "Candidate 2"}
        assert len({text.split(": ")[1] for text in orders}) == 1, "both orders prefer the same"
        expect(page.locator(".reason math").first).to_be_visible()
        rows = page.locator(".bill tr").all_inner_texts()
        assert [row.split()[:2] for row in rows[1:]] == [
            ["Planner", "1"],
            ["Solver", "1"],
            ["Judge", "2"],
            ["Total", "4"],
        ]
        expect(page.locator("#progress")).to_contain_text("Answer: 89")
        visit.check_quiet()


def test_plan_and_candidates_grow_in_sight_and_stopping_keeps_them(browser: Browser, slow: Host) -> None:
    with visiting(browser, slow) as visit:
        page = visit.page
        visit.ask("What is 17 + 25?")
        expect(page.locator(".steps .active")).to_contain_text("Plan")
        visit.wait(".plan .as-written:has-text('Add the')")
        expect(page.locator(".steps .active")).to_contain_text("Candidates")
        expect(page.locator("#progress")).to_contain_text("candidates finished")
        visit.wait(".card.growing:has-text('still thinking')")
        page.locator(".card .text", has_text="thinking").first.wait_for()
        expect(page.locator("#stop")).to_be_focused()
        page.keyboard.press("Escape")
        visit.wait(".notice:has-text('Stopped')")
        expect(page.locator(".card.cancelled")).to_have_count(3)
        expect(page.locator(".card.cancelled .text").first).to_contain_text("still thinking")
        expect(page.locator("#ask")).to_be_focused()
        expect(page.locator(".record-said").first).to_have_text("stopped")
        visit.check_quiet()


def test_a_majority_cancels_the_rest_and_says_so(browser: Browser, tmp_path: Path) -> None:
    with hosting(agreeing(), tmp_path) as host, visiting(browser, host) as visit:
        visit.page.fill("#question", "What is 17 + 25?")
        visit.page.keyboard.press("Control+Enter")
        visit.wait(".verdict-box.answered")
        page = visit.page
        expect(page.locator(".decision")).to_have_text("2 of 3 candidates agree, and the rest could not overturn it.")
        expect(page.locator(".card.cancelled .state")).to_have_text("cancelled")
        expect(page.locator("section[aria-label=Agreement]")).to_contain_text("The remaining 1 could not change that")
        page.locator(".card .fold summary").first.click()
        expect(page.locator(".card .thoughts").first).to_have_text("Let me see.")
        visit.check_quiet()


def test_what_adapting_chose_is_listed_with_its_reason(browser: Browser, tmp_path: Path) -> None:
    settings = AskSettings(adapt=True, n=3)
    with hosting(agreeing(), tmp_path, settings=settings) as host, visiting(browser, host) as visit:
        visit.ask("What is 17 + 25?")
        visit.wait(".verdict-box.answered")
        steps = visit.page.locator("section[aria-label=Choices] li")
        expect(steps).to_have_count(3)
        expect(steps.nth(0)).to_have_text("To plan: no budget binds")
        expect(steps.nth(1)).to_contain_text("2 more candidates: none has ended")
        expect(steps.nth(2)).to_have_text("To end: 2 of 2 candidates agree, which one more could not undo")
        visit.check_quiet()


def test_a_question_asked_before_the_page_knows_the_server_is_asked_then(browser: Browser, tmp_path: Path) -> None:
    with hosting(agreeing(), tmp_path) as host, visiting(browser, host) as visit:
        held: list[Route] = []
        visit.page.route("**/api/config", lambda route: held.append(route))  # noqa: PLW0108 - wrapped by Playwright
        visit.page.reload()
        visit.page.fill("#question", "What is 17 + 25?")
        visit.page.keyboard.press("Control+Enter")
        assert len(held) == 1
        held[0].continue_()
        visit.wait(".verdict-box.answered")
        visit.check_quiet()


def test_the_demonstration_runs_and_the_plain_model_too(browser: Browser, tmp_path: Path) -> None:
    with hosting(demonstrate(), tmp_path) as host, visiting(browser, host) as visit:
        page = visit.page
        page.select_option("select[name=model]", "scripted")
        expect(page.locator("input[name=n]")).to_be_disabled()
        visit.ask("What is 17 + 25?")
        visit.wait(".verdict-box.answered")
        expect(page.locator(".answer")).to_contain_text("42")
        page.select_option("select[name=model]", "abruzzi")
        visit.ask("What is 20 + 3?")
        expect(page.locator(".question")).to_have_text("What is 20 + 3?")
        expect(page.locator(".answer")).to_have_text("23")
        visit.check_quiet()


def test_two_settings_are_compared_on_one_question(browser: Browser, host: Host) -> None:
    with visiting(browser, host, path="/#/compare") as visit:
        page = visit.page
        page.locator("select[name=model]").nth(1).select_option("abruzzi-single")
        expect(page.locator("input[name=n]").nth(1)).to_have_attribute("placeholder", "1")
        page.locator("input[name=n]").nth(0).fill("4")
        visit.ask(QUESTION)
        expect(page.locator(".verdict-box.answered")).to_have_count(2)
        cells = page.locator(".comparison tbody tr")
        expect(cells.nth(0).locator("td")).to_have_text(["89", "89"])
        expect(cells.nth(1).locator("td")).to_have_text(["judge", "only candidate"])
        expect(cells.nth(2).locator("td")).to_have_text(["4", "1"])
        expect(cells.nth(3).locator("td")).to_have_text(["4", "1"])
        visit.check_quiet()


def test_settings_are_sent_and_refused_where_they_are_wrong(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        page.click(".more summary")
        page.fill("input[name=n]", "1000")
        visit.ask("Anything")
        expect(page.locator(".trouble:visible")).to_contain_text("Candidates:")
        expect(page.locator("input[name=n]")).to_be_focused()
        page.fill("input[name=n]", "1")
        page.fill("input[name=seed]", "7")
        page.fill("input[name=temperature]", "0.3")
        page.select_option("select[name=plan]", "off")
        expect(page.locator(".more summary")).to_contain_text("1 candidate, no plan, temperature 0.3, seed 7")
        with page.expect_request("**/api/questions") as asked:
            page.click("#ask")
        assert asked.value.post_data_json == {
            "model": "abruzzi",
            "messages": [{"role": "user", "content": "Anything"}],
            "settings": {"n": 1, "temperature": 0.3, "seed": 7, "plan": "off"},
        }
        visit.wait(".verdict-box.answered")
        assert host.server.roles.solver.name == "showcase-4b"
        visit.check_quiet()


def test_everything_is_done_by_keyboard(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        expect(page.locator("#question")).to_be_focused()
        page.keyboard.type("Which zebra?")
        page.keyboard.press("Control+Enter")
        visit.wait(".verdict-box.answered")
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()
        page.keyboard.type("zebra")
        expect(page.locator("#records li")).to_have_count(1)
        page.keyboard.press("Tab")
        expect(page.locator("#records a").first).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/#/q/**")
        page.locator("#main").focus()
        page.keyboard.press("?")
        expect(page.locator("#help-dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#help-dialog")).to_be_hidden()
        page.keyboard.press("n")
        expect(page.locator("#question")).to_be_focused()
        expect(page.locator("#question")).to_have_value("")
        visit.check_quiet()
