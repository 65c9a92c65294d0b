"""Tables as text."""

from abruzzi.pages.digits import MISSING
from abruzzi.pages.table import (
    Footnotes,
    Group,
    Table,
    drop_empty_columns,
    fact_table,
    group_by,
    join_words,
    plain,
)


def test_columns_without_any_value_go_and_words_stay() -> None:
    rows = (("a", MISSING, "1", MISSING), ("", MISSING, "0", "2"))
    table = Table("t", ("name", "cost", "failed", "gap"), (Group("", rows),))
    kept = drop_empty_columns(table)
    assert kept.head == ("name", "failed", "gap")
    assert kept.groups[0].rows == (("a", "1", MISSING), ("", "0", "2"))


def test_a_last_column_of_words_that_goes_is_forgotten() -> None:
    table = Table("t", ("name", "words"), (Group("", (("a", MISSING),)),), has_last_words=True)
    assert not drop_empty_columns(table).has_last_words


def test_rows_are_grouped_in_the_order_of_their_first_appearance() -> None:
    groups = group_by([("b", ("1",)), ("a", ("2",)), ("b", ("3",))])
    assert groups == (Group("b", (("1",), ("3",))), Group("a", (("2",),)))


def test_the_same_note_has_the_same_mark() -> None:
    notes = Footnotes()
    marks = [notes.mark(note) for note in ("one", "", "two", "one")]
    assert [mark.strip() for mark in marks] == ["¹", "", "²", "¹"]
    assert notes.lines() == ("¹ one", "² two")


def test_the_tenth_note_has_two_digits() -> None:
    notes = Footnotes()
    assert [notes.mark(str(i)).strip() for i in range(10)][-1] == "¹⁰"


def test_text_loses_control_characters_and_line_breaks() -> None:
    assert plain("a\n  b\x1b[31m\u202ec\x00") == "a b[31mc"


def test_lists_read_as_prose() -> None:
    assert [join_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_facts_keep_their_order() -> None:
    (table,) = fact_table("Facts", {"command": "b", "date": "a"})
    assert table.groups[0].rows == (("command", "b"), ("date", "a"))
    assert fact_table("Facts", {}) == []
