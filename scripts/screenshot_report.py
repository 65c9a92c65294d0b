"""Makes the pictures of a report that the documentation shows, in a real browser without a network.

    .venv/bin/python scripts/screenshot_report.py REPORT.html docs/images

Writes ``report-light.png`` (the top of the page on a desk), ``report-dark.png`` (down to the first plot, on a
telephone in the dark) and ``report-print.png`` (the first printed pages). Needs chromium, and pdftoppm of poppler-utils
for the printed pages.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

PAGES = 2


def main(report: str, folder: str) -> None:
    """Make all pictures."""
    chromium, pdftoppm = shutil.which("chromium"), shutil.which("pdftoppm")
    if chromium is None or pdftoppm is None:
        sys.exit("screenshot_report.py needs chromium and pdftoppm: apt-get install chromium poppler-utils")
    url, out = Path(report).resolve().as_uri(), Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        _shoot(browser, url, out / "report-light.png", scheme="light", size=(1120, 2900), scale=1)
        _shoot(browser, url, out / "report-dark.png", scheme="dark", size=(390, 1300), scale=2)
        _print(browser, url, out / "report-print.png", scratch=Path(scratch), pdftoppm=pdftoppm)
        browser.close()
    for picture in sorted(out.glob("report-*.png")):
        sys.stdout.write(f"{picture}: {picture.stat().st_size // 1000} kB\n")


def _shoot(browser: Browser, url: str, path: Path, *, scheme: str, size: tuple[int, int], scale: int) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=scale,
        offline=True,
    )
    page = context.new_page()
    page.goto(url)
    plots = page.locator("figure")
    if scheme == "dark" and plots.count():
        plots.first.evaluate("plot => plot.scrollIntoView({block: 'end'})")
    page.screenshot(path=path)
    context.close()
    _save(Image.open(path).convert("RGB"), path)


def _print(browser: Browser, url: str, path: Path, *, scratch: Path, pdftoppm: str) -> None:
    page = browser.new_page()
    page.goto(url)
    page.pdf(path=scratch / "report.pdf", prefer_css_page_size=True, print_background=True)
    page.close()
    command = [pdftoppm, "-r", "80", "-l", str(PAGES), "-png", str(scratch / "report.pdf"), str(scratch / "page")]
    subprocess.run(command, check=True)  # noqa: S603 - our own arguments
    pages = [Image.open(file) for file in sorted(scratch.glob("page-*.png"))]
    edge = 12
    width = sum(page.width + edge for page in pages) + edge
    sheet = Image.new("RGB", (width, pages[0].height + 2 * edge), "#c9ccd1")
    for number, picture in enumerate(pages):
        sheet.paste(picture, (edge + number * (picture.width + edge), edge))
    _save(sheet, path)


def _save(picture: Image.Image, path: Path) -> None:
    """Save with a palette that covers all hues, however few pixels have them: half the bytes."""
    picture.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
