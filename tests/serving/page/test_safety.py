"""Nothing that a model, a user or an upstream says runs on the page: attacks wherever foreign text is shown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from abruzzi.errors import ModelError
from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Reply, ScriptedChat, fail, reply
from abruzzi.nouns import Role
from abruzzi.reasoning.settings import AskSettings
from tests.pages.browsing import needs_browser
from tests.serving.page.hosting import WAIT_MS, Host, hosting, visiting

pytestmark = needs_browser
expect.set_options(timeout=WAIT_MS)

RUN = "globalThis.pwned=1;alert(1)"
ATTACKS = [
    f"<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'<svg onload="{RUN}"></svg>',
    f"</textarea></pre></div><script>{RUN}</script>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror={RUN}&gt;'>",
    f"[click](javascript:{RUN}) <javascript:{RUN}>",
    f"[click](data:text/html,<script>{RUN}</script>)",
    "![pixel](https://evil.example/pixel.png) <link rel=stylesheet href=https://evil.example/x.css>",
    f"$\\href{{javascript:{RUN}}}{{x}}$ and $\\text{{<img src=x onerror={RUN}>}}$",
    "$\\style{background:url(https://evil.example/x)}{x}$ <p style='position:fixed;inset:0;background:red'>",
    f'```html"><script>{RUN}</script>\n<script>{RUN}</script>\n```',
    f'<a href="https://evil.example" onclick="{RUN}">x</a><form action=https://evil.example><button>x</button></form>',
    f"<meta http-equiv=refresh content='0;url=https://evil.example'><base href=https://evil.example/>{{{{{RUN}}}}}",
]
TEXT = "\n\n".join(ATTACKS)


def hostile(request: ChatRequest) -> list[Reply]:
    """Attack from every role; two answers, so that there is something to judge."""
    match request.role:
        case Role.PLANNER:
            return [reply(json={"plan": TEXT}, seconds=0.2)]
        case Role.JUDGE:
            return [reply(json={"reasoning": TEXT, "verdict": "first"}, seconds=0.1)]
        case _:
            answers = [f"{ATTACKS[1]} one", f"{ATTACKS[2]} two"]
            return [
                reply(f"{TEXT}\n\n<answer>{answers[index % 2]}</answer>", reasoning=TEXT, seconds=0.2)
                for index in range(request.n)
            ]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    model = ScriptedChat(hostile, name=f"evil{ATTACKS[0]}", max_context=32768)
    with hosting(model, tmp_path_factory.mktemp("store")) as running:
        yield running


def check_harmless(page: Any) -> None:
    """See that the document holds no element that could run or load anything."""
    found = page.evaluate(
        """() => {
            const foreign = [...document.querySelectorAll("#stage *, #history *, #notices *, #settings *")];
            return {
                elements: foreign
                    .filter((e) => e.matches("script, style, iframe, object, embed, img, svg, link, meta, base, form"))
                    .map((e) => e.outerHTML),
                handlers: foreign.flatMap((e) => [...e.attributes]).filter((a) => /^on|^style$|^src/i.test(a.name))
                    .map((a) => a.name),
                links: foreign.filter((e) => e.hasAttribute("href")).map((e) => e.getAttribute("href"))
                    .filter((href) => !/^(#\\/|https?:\\/\\/|mailto:)/.test(href)),
            };
        }"""
    )
    assert found == {"elements": [], "handlers": [], "links": []}


def test_attacks_in_the_rendering_itself_stay_harmless(browser: Browser, host: Host) -> None:
    """Also what the server might one day render wrongly: here the page is given each attack as finished HTML."""
    with visiting(browser, host) as visit:
        visit.wait(".settings")
        for attack in ATTACKS:
            visit.page.evaluate(
                """async (html) => {
                    const { copySafe } = await import("/page/rich.js");
                    document.getElementById("stage").replaceChildren(...copySafe(html));
                }""",
                attack,
            )
            visit.page.wait_for_timeout(20)
            check_harmless(visit.page)
        visit.check_quiet("Content Security Policy")


def test_attacks_in_question_plan_candidates_reasons_and_names_stay_text(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        page.click(".more summary")
        page.fill("input[name=n]", "4")
        visit.ask(TEXT[:3000])
        visit.wait(".verdict-box.answered")
        visit.wait(".votes .reason p")
        visit.wait(".card:nth-child(3) .text p")
        for fold in page.locator("details.fold:visible > summary").all():
            fold.click()
        check_harmless(page)
        expect(page.locator(".question")).to_contain_text("<script>globalThis.pwned=1")
        expect(page.locator(".plan")).to_contain_text("<script>globalThis.pwned=1")
        expect(page.locator(".card .thoughts").first).to_contain_text("<svg onload=")
        expect(page.locator(".card .text").first).to_contain_text("<iframe srcdoc=")
        expect(page.locator(".votes .reason").first).to_contain_text("<img src=x onerror=")
        expect(page.locator(".answer")).to_contain_text("onerror")
        expect(page.locator("#records .record-name").first).to_contain_text("<script>")
        page.locator("#records a").first.click()
        visit.wait(".votes .reason p")
        check_harmless(page)
        page.get_by_role("button", name="Delete:").first.click()
        expect(page.locator("#confirm-text")).to_contain_text("<script>")
        page.keyboard.press("Escape")
        page.goto(f"{host.url}/#/")
        page.select_option("select[name=model]", index=4)
        visit.ask("A name that attacks")
        visit.wait(".verdict-box.answered")
        expect(page.locator(".eyebrow")).to_contain_text("evil<script>")
        check_harmless(page)
        visit.check_quiet()


def test_attacks_in_the_published_pipelines_topics_stay_text(browser: Browser, tmp_path: Path) -> None:
    topics = reply(json={"is_hard_problem": True, "plan": "", "search_list": ATTACKS[:2]})
    model = ScriptedChat(
        {Role.TOPICS: topics, Role.PLANNER: reply(f"<plan>{TEXT}</plan>"), Role.SOLVER: reply("</think>42")},
        max_context=32768,
    )
    with hosting(model, tmp_path, settings=AskSettings(preset="paper", n=1)) as host, visiting(browser, host) as visit:
        visit.ask("Why?")
        visit.wait(".answer")
        expect(visit.page.locator(".plan .facts")).to_contain_text("<script>globalThis.pwned=1")
        expect(visit.page.locator(".plan .facts")).to_contain_text("<img src=x onerror=")
        check_harmless(visit.page)


def test_attacks_in_error_texts_and_addresses_stay_text(browser: Browser, tmp_path: Path) -> None:
    broken = ScriptedChat({Role.SOLVER: fail(ModelError(f"upstream said: {TEXT}"))}, max_context=8192)
    with hosting(broken, tmp_path) as host, visiting(browser, host) as visit:
        page = visit.page
        visit.wait(".settings")
        page.select_option("select[name=model]", "abruzzi-single")
        visit.ask(ATTACKS[0])
        visit.wait(".notice.bad")
        check_harmless(page)
        page.goto(f"{host.url}/#/q/{ATTACKS[1]}")
        page.goto(f"{host.url}/#/q/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        page.wait_for_timeout(200)
        page.goto(f"{host.url}/?x={ATTACKS[0]}#{ATTACKS[1]}")
        visit.wait(".settings")
        check_harmless(page)
        visit.check_quiet("404", "400")


def test_the_policy_stops_what_code_of_the_page_would_wrongly_do(browser: Browser, host: Host) -> None:
    with visiting(browser, host) as visit:
        page = visit.page
        visit.wait(".settings")
        tries = page.evaluate(
            """async () => {
                const attempt = async (act) => {
                    try { await act(); return "done"; } catch (error) { return error.name; }
                };
                const add = (name, attributes) => {
                    const element = Object.assign(document.createElement(name), attributes);
                    document.body.append(element);
                    return new Promise((resolve, reject) => {
                        element.onload = resolve;
                        element.onerror = () => reject(new TypeError("blocked"));
                        setTimeout(() => reject(new TypeError("blocked")), 300);
                    });
                };
                return {
                    html: await attempt(() => { document.body.innerHTML = "<b>x</b>"; }),
                    code: await attempt(() => setTimeout("globalThis.pwned = 1", 0)),
                    script: await attempt(() => { document.createElement("script").text = "globalThis.pwned = 1"; }),
                    fetched: await attempt(() => fetch("https://evil.example/")),
                    image: await attempt(() => add("img", {src: "https://evil.example/x.png"})),
                    policy: await attempt(() => trustedTypes.createPolicy("other", {})),
                };
            }"""
        )
        assert set(tries.values()) <= {"TypeError", "EvalError"}, tries
        assert page.evaluate("globalThis.pwned === undefined")


@pytest.mark.parametrize(
    "path",
    [
        "/page/../pyproject.toml",
        "/page/..%2f..%2fsettings.py",
        "/page/%2e%2e/app.py",
        "/page/....//app.py",
        "/page/index.html",
        "/page/",
        "/page/app.js%00.html",
        "/page//etc/passwd",
        "/page/C:%5cwindows",
    ],
)
def test_no_path_leads_outside(host: Host, path: str) -> None:
    with httpx2.Client(trust_env=False) as client:
        response = client.get(host.url + path)
    assert response.status_code == 404
    assert json.loads(response.text)["error"]["code"] == "not_found"


def test_the_page_is_served_under_its_policy(host: Host) -> None:
    with httpx2.Client(trust_env=False) as client:
        page = client.get(host.url + "/")
        script = client.get(host.url + "/page/app.js")
        again = client.get(host.url + "/page/app.js", headers={"If-None-Match": script.headers["etag"]})
    for response in (page, script, again):
        policy = response.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (again.status_code, again.content) == (304, b"")
    assert " style=" not in page.text
    assert page.text.count("<script") == 2
    assert page.text.count("<script src=") + page.text.count('<script type="module" src=') == 2
