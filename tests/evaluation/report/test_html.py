"""The report as a page: structure, escaping, policy, determinism, emptiness."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from abruzzi.evaluation.component_table import ComponentTable
from abruzzi.evaluation.report.html import write_html
from abruzzi.evaluation.report.report_input import PairedRow, ReportInput
from tests.evaluation.report.example import COMPARISON, around, difference, make_row, make_score
from tests.pages.parsed import ParsedPage

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}{% raw %}"


def small_report() -> ReportInput:
    row = make_row("components", "gsm8k", "+ plan", 0.1)
    table = ComponentTable((row, replace(row, label="+ both")), {"solver": "m"}, {"gsm8k/none": {1: around(0.1)}}, {})
    return ReportInput(
        "A small report", (make_score("single"), make_score("full")), (table,), COMPARISON, facts={"date": "2026-11-25"}
    )


@pytest.fixture(scope="module")
def page() -> str:
    return write_html(small_report())


def test_the_page_is_whole_and_every_element_closed(page: str) -> None:
    parsed = ParsedPage(page)
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert [tag for tag, _ in parsed.elements].count("h1") == 1
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "no id twice"
    assert ids[:2] == ["summary", "summary-title"]
    assert [i for i in ids if i == "settings-title"], "settings and provenance"
    targets = [attributes["href"] for attributes in parsed.all("a")]
    assert targets
    assert {(target or "").removeprefix("#") for target in targets} <= set(ids)


def test_tables_and_plots_can_be_read_aloud(page: str) -> None:
    parsed = ParsedPage(page)
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in parsed.all("th"))
    drawings = [attributes for attributes in parsed.all("svg") if attributes.get("class") == "drawing"]
    assert len(drawings) == 7
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in drawings)
    samples = [attributes for attributes in parsed.all("svg") if attributes.get("class") != "drawing"]
    assert samples
    assert all(attributes.get("aria-hidden") == "true" for attributes in samples)
    regions = [attributes for _, attributes in parsed.elements if attributes.get("class") == "scroll"]
    assert all(attributes.get("tabindex") == "0" and attributes.get("aria-label") for attributes in regions)


def test_the_page_s_policy_names_its_only_style_and_forbids_the_rest(page: str) -> None:
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = ParsedPage(page).all("meta")[1]["content"] or ""
    assert policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    attributes = {name for _, found in ParsedPage(page).elements for name in found}
    assert "style" not in attributes
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "srcset")}
    assert "http://" not in page
    assert "https://" not in page
    assert not ParsedPage(page).all("script")


def test_text_of_models_and_people_stays_text() -> None:
    row = make_row("components", HOSTILE, HOSTILE, 0.1, note=HOSTILE)
    curves, lengths = {f"{HOSTILE}/x": {1: around(0.1), 2: around(0.2)}}, {f"{HOSTILE}/{HOSTILE}": (1, 2)}
    table = ComponentTable((row, replace(row, label=HOSTILE + "2")), {HOSTILE: HOSTILE}, curves, lengths)
    scores = tuple(make_score(s, "a", domains={HOSTILE: around(0.2), "b": around(0.1)}) for s in ("single", "full"))
    scores = tuple(
        replace(s, protocol=s.protocol.model_copy(update={"system": s.protocol.system + HOSTILE})) for s in scores
    )
    report = ReportInput(
        HOSTILE,
        scores,
        (table,),
        HOSTILE,
        differences={HOSTILE: (HOSTILE,)},
        paired=(PairedRow(HOSTILE, HOSTILE, HOSTILE, difference(0.1), 0.1, 0.2),),
        facts={HOSTILE: HOSTILE},
    )
    page = write_html(report)
    parsed = ParsedPage(page)
    assert not parsed.all("script")
    assert not parsed.all("img")
    assert not {name for _, found in parsed.elements for name in found if name.startswith("on")}
    assert "{{ 7*7 }}" in page
    shown = " ".join(parsed.text)
    assert shown.count("<script>alert(1)</script>") > 20


def test_the_same_input_gives_the_same_bytes_whatever_the_hash_seed(page: str) -> None:
    script = (
        "import sys; from tests.evaluation.report.test_html import small_report; "
        "from abruzzi.evaluation.report.html import write_html; "
        "sys.stdout.buffer.write(write_html(small_report()).encode())"
    )
    again = subprocess.check_output([sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": "1"})
    assert again.decode() == page


def test_an_empty_report_is_a_page_without_holes() -> None:
    parsed = ParsedPage(write_html(ReportInput("Nothing yet")))
    assert "".join(parsed.text).count("Nothing yet") == 2, "title and heading"
    assert not {"section", "nav", "table", "svg", "h2"} & {tag for tag, _ in parsed.elements}


def test_one_score_makes_a_page_without_empty_parts() -> None:
    page = write_html(ReportInput("One", (make_score("single", "gsm8k"),)))
    for empty in (
        r"<section[^>]*>\s*<h2[^>]*>[^<]*</h2>\s*</section>",
        r'<div class="plots">\s*</div>',
        r"<ul[^>]*>\s*</ul>",
    ):
        assert not re.search(empty, page), empty


@pytest.mark.parametrize("package", ["matplotlib", "jinja2", "markdown_it"])
def test_a_missing_package_is_named_with_what_to_install(package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from abruzzi.errors import ConfigError\n"
        "from abruzzi.evaluation.report.html import write_html\n"
        "from abruzzi.evaluation.report.report_input import ReportInput\n"
        "try:\n    write_html(ReportInput('t'))\nexcept ConfigError as error:\n    print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert said.strip() == (
        f"the HTML report needs the package {package}; run scripts/setup eval, or pip install 'abruzzi[eval]'"
    )


def test_importing_a_report_loads_nothing_that_draws() -> None:
    script = (
        "import sys, abruzzi.evaluation.report.html, abruzzi.evaluation.report.markdown; "
        "print(sorted({'matplotlib', 'jinja2', 'markdown_it'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
