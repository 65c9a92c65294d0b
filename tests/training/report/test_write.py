"""The whole report on disk: structure, policy, escaping, and runs in whatever state."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from abruzzi.cli.train_reporting import report_runs
from abruzzi.errors import RecordError
from abruzzi.training.report.write import write_reports
from tests.pages.parsed import ParsedPage
from tests.training.report.made_up import (
    Row,
    arc,
    grpo_facts,
    held_out_row,
    rollout_row,
    sft_facts,
    sft_row,
    step_row,
    write_run,
)

HOSTILE = "\"'><script>alert(1)</script><img src=http://x/y onerror=alert(2)>{{ 7*7 }}|`*_x"


def make_runs(tmp_path: Path) -> list[Path]:
    """An SFT run, a GRPO run and its control."""
    rollouts = [rollout_row(step, outcome) for step in (1, 4) for outcome in ("correct", "wrong")]
    return [
        write_run(tmp_path / "sft", [sft_row(step) for step in range(1, 31)], **sft_facts("sft")),
        write_run(tmp_path / "grpo", arc(gain=10), rollouts=rollouts, **grpo_facts("grpo")),
        write_run(tmp_path / "control", arc(), rollouts=rollouts, **grpo_facts("control", shuffle_rewards=True)),
    ]


def written(folders: list[Path], out: Path) -> tuple[str, str]:
    markdown, html = write_reports(folders, out, {"command": "abruzzi train report", "date": "2026-11-25"})
    return markdown.read_text(), html.read_text()


@dataclass(frozen=True, slots=True)
class Report:
    """Of three runs, drawn once for all tests that read it."""

    folders: list[Path]
    markdown: str
    html: str


@pytest.fixture(name="report", scope="module")
def write_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    home = tmp_path_factory.mktemp("report")
    folders = make_runs(home)
    return Report(folders, *written(folders, home / "out"))


def test_both_formats_have_the_same_sections_and_say_what_did_not_move(report: Report) -> None:
    markdown, html = report.markdown, report.html
    headings = re.findall(r"^## (.*)$", markdown, re.MULTILINE)
    assert headings == [
        "Summary", "What was run", "Held-out accuracy", "pass@k", "Fine-tuning", "Reward", "The policy",
        "Outcomes and signs of hacking", "Time", "Rollouts, early and late", "Settings",
    ]  # fmt: skip
    for heading in headings:
        assert f">{heading}</h2>" in html
    for text in (markdown, html):
        assert "Training: sft, grpo and control" in text
        assert "no change beyond noise: products" in text
    assert 'class="did-not-move"' in html


def test_the_page_asks_nothing_of_anybody(report: Report) -> None:
    html = report.html
    parsed = ParsedPage(html)
    assert "http://" not in html
    assert "https://" not in html
    attributes = {name for _, found in parsed.elements for name in found}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")}
    assert not parsed.all("script")
    assert not parsed.all("link")
    targets = {(found["href"] or "")[:1] for _, found in parsed.elements if "href" in found}
    assert targets == {"#"}
    ids = [found["id"] for _, found in parsed.elements if "id" in found]
    assert len(ids) == len(set(ids)), "no id twice"
    drawings = [found for found in parsed.all("svg") if found.get("class") == "drawing"]
    assert len(drawings) > 20
    assert all(found.get("role") == "img" and found.get("aria-label") for found in drawings)


def test_every_row_of_a_table_has_as_many_cells_as_its_head(report: Report) -> None:
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", report.markdown, re.MULTILINE)
    assert len(blocks) > 10
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_text_of_models_and_people_stays_text(tmp_path: Path) -> None:
    rows = [held_out_row(step, 0.1, by_family={HOSTILE: [0.1, 0.0, 0.2], "b": [0.1, 0.0, 0.2]}) for step in (0, 2)] + [
        step_row(step, reward_by_family={HOSTILE: 0.1, "b": 0.2}) for step in (1, 2)
    ]
    facts = grpo_facts(HOSTILE, note=HOSTILE) | {"base": HOSTILE}
    folder = write_run(tmp_path / "a", rows, rollouts=[rollout_row(1, "wrong", HOSTILE, item=HOSTILE)], **facts)
    markdown, html = written([folder], tmp_path / "out")
    parsed = ParsedPage(html)
    assert not parsed.all("script")
    assert not parsed.all("img")
    assert "{{ 7*7 }}" in html
    assert " ".join(parsed.text).count("<script>alert(1)</script>") > 10
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    assert "<script" not in rendered
    assert "<img" not in rendered


def test_the_same_runs_give_the_same_bytes_whatever_the_hash_seed(report: Report, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from abruzzi.training.report.write import write_reports; "
        "write_reports(list(map(Path, sys.argv[2:])), Path(sys.argv[1]), "
        "{'command': 'abruzzi train report', 'date': '2026-11-25'})"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "again"), *map(str, report.folders)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "1"})
    assert (tmp_path / "again/report.md").read_text() == report.markdown
    assert (tmp_path / "again/report.html").read_text() == report.html


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [held_out_row(0, 0.1)],
        [step_row(1)],
        [{"kind": "step", "step": 1}, {"kind": "step", "step": 2}],
        [step_row(1, outcomes={"error": 16}, reward=None, reward_by_family={"chain_sum": None}), step_row(2)],
        [held_out_row(0, 0.0, interval=None, by_family=None, pass_at={}), held_out_row(9, 1.0)],
    ],
)
def test_a_run_in_whatever_state_has_a_report_without_holes(rows: list[Row], tmp_path: Path) -> None:
    markdown, html = written([write_run(tmp_path / "a", rows, **grpo_facts())], tmp_path / "out")
    ParsedPage(html)
    assert "nan" not in re.sub(r"[^\W_]nan|nan[^\W_]", "", markdown.casefold())
    for empty in (
        r"<section[^>]*>\s*<h2[^>]*>[^<]*</h2>\s*</section>",
        r'<div class="plots">\s*</div>',
        r"<ul[^>]*>\s*</ul>",
    ):
        assert not re.search(empty, html), empty


def test_the_command_writes_beside_the_first_run_and_names_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = make_runs(tmp_path)[1:]
    assert report_runs(folders, None) == 0
    assert capsys.readouterr().out.split() == [str(folders[0] / name) for name in ("report.md", "report.html")]
    assert report_runs(folders, tmp_path / "deep" / "out") == 0
    assert (tmp_path / "deep" / "out" / "report.html").is_file()


def test_a_place_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    folders = make_runs(tmp_path)[1:2]
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"cannot write the report to .*; choose another --out"):
        write_reports(folders, tmp_path / "file", {})


def test_reading_runs_loads_nothing_heavy() -> None:
    script = (
        "import sys, abruzzi.cli.train_reporting; "
        "print(sorted({'torch', 'transformers', 'trl', 'datasets', 'matplotlib', 'jinja2'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
