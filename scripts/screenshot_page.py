"""Makes the pictures of the web page that the documentation shows, in a real browser against a real server.

    .venv/bin/python scripts/screenshot_page.py docs/images

Writes ``page-asking.png`` (candidates growing), ``page-finished.png``, ``page-comparing.png`` (two settings, dark)
and ``page-phone.png``. The model is scripted: what stands in the pictures was written for them, by no model. Server,
model and browser are those of ``tests/serving/page``. Needs chromium.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.serving.page.hosting import Host, Visit, hosting, visiting
from tests.serving.page.models import QUESTION, showcase

SETTLE_MS = 1500
"""For what is rendered after the answer."""
PATIENCE_MS = 120_000


def main(folder: str) -> None:
    """Make all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("screenshot_page.py needs chromium: apt-get install chromium")
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        folders = [Path(scratch) / name for name in ("asking", "asked")]
        for one in folders:
            one.mkdir()
        with hosting(showcase(seconds=30.0), folders[0]) as host:
            _shoot_asking(browser, host, out / "page-asking.png")
        with hosting(showcase(seconds=1.0), folders[1]) as host:
            _shoot_finished(browser, host, out / "page-finished.png")
            _shoot_comparing(browser, host, out / "page-comparing.png")
            _shoot_phone(browser, host, out / "page-phone.png")
        browser.close()
    for picture in sorted(out.glob("page-*.png")):
        sys.stdout.write(f"{picture}: {picture.stat().st_size // 1000} kB\n")


def _ask_four(visit: Visit) -> None:
    visit.page.set_default_timeout(PATIENCE_MS)
    visit.wait(".settings")
    visit.page.locator(".more summary").first.click()
    visit.page.locator("input[name=n]").first.fill("4")
    visit.page.locator(".more summary").first.click()
    visit.ask(QUESTION)


def _shoot_asking(browser: Browser, host: Host, path: Path) -> None:
    with visiting(browser, host, width=1280, height=1180) as visit:
        _ask_four(visit)
        visit.wait(".card:nth-child(4).growing .text:has-text('Each tiling is a row')")
        visit.page.evaluate("scrollTo(0, 0)")
        _save(visit, path)


def _shoot_finished(browser: Browser, host: Host, path: Path) -> None:
    with visiting(browser, host, width=1280, height=1180) as visit:
        _ask_four(visit)
        visit.wait(".verdict-box.answered")
        visit.page.wait_for_timeout(SETTLE_MS)
        visit.page.set_viewport_size({"width": 1280, "height": visit.page.evaluate("document.body.scrollHeight")})
        visit.page.evaluate("scrollTo(0, 0)")
        _save(visit, path)


def _shoot_comparing(browser: Browser, host: Host, path: Path) -> None:
    with visiting(browser, host, width=1440, height=1500, is_dark=True, path="/#/compare") as visit:
        visit.wait(".settings >> nth=1")
        visit.page.locator("input[name=n]").first.fill("4")
        visit.page.locator("select[name=model]").nth(1).select_option("abruzzi-single")
        for summary in visit.page.locator(".more summary").all():
            summary.click()
        visit.ask(QUESTION)
        visit.page.locator(".verdict-box.answered").nth(1).wait_for(timeout=PATIENCE_MS)
        visit.page.wait_for_timeout(SETTLE_MS)
        visit.page.evaluate("scrollTo(0, 0)")
        _save(visit, path)


def _shoot_phone(browser: Browser, host: Host, path: Path) -> None:
    with visiting(browser, host, width=360, height=1280, device_scale_factor=2) as visit:
        _ask_four(visit)
        visit.wait(".verdict-box.answered")
        visit.page.wait_for_timeout(SETTLE_MS)
        visit.page.evaluate("scrollTo(0, document.querySelector('.run').offsetTop - 76)")
        _save(visit, path)


def _save(visit: Visit, path: Path) -> None:
    visit.page.screenshot(path=path)
    Image.open(path).convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
