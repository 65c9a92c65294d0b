"""Parts of a page; whole pages are tested where they are made: evaluation's and training's reports."""

from abruzzi.pages.html import is_wide, split_interval, write_page
from abruzzi.pages.page import Finding, Page, Section
from abruzzi.pages.table import Group, Table
from tests.pages.parsed import ParsedPage


def test_findings_of_every_kind_have_a_class_that_the_style_knows() -> None:
    kinds = ("helps", "helps in part", "does not help", "rose", "fell", "did not move", "result", "caution")
    page = write_page(Page("t", findings=tuple(Finding(kind, "a", "b") for kind in kinds)), {})
    for attributes in ParsedPage(page).all("li"):
        assert f".{attributes['class']} .badge" in page


def test_prose_stands_in_its_section_and_its_code_stays_text() -> None:
    page = write_page(Page("t", sections=(Section("a", "A", markdown="one\n\n```\n<b>\n  two\n```\n"),)), {})
    parsed = ParsedPage(page)
    assert [tag for tag, _ in parsed.elements if tag in ("pre", "code", "b")] == ["pre", "code"]
    assert "<b>\n  two\n" in parsed.text


def test_an_interval_is_split_off_its_value() -> None:
    assert split_interval("37.5 [34.1, 40.9]") == ("37.5", "[34.1, 40.9]")
    assert split_interval("−3 [−4, –]") == ("−3", "[−4, –]")
    assert split_interval("not [a, number]") == ("not [a, number]", "")
    assert split_interval("–") == ("–", "")


def test_a_table_too_wide_for_paper_is_known() -> None:
    interval = "37.5 [34.1, 40.9]"
    tables = [Table("t", ("a", *"bcdefg"[:n]), (Group("", (("x", *[interval] * n),)),)) for n in (5, 6)]
    assert [is_wide(table) for table in tables] == [False, False]
    assert is_wide(Table("t", ("System", *"bcdefg"), (Group("", (("a-long-name", *[interval] * 6),)),)))
