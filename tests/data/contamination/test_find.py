from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.contamination.find import BATCH_ROWS, Settings, find_contamination
from abruzzi.data.contamination.report import Kind, Report
from abruzzi.data.items import Item, hash_items
from abruzzi.data.rows import MalformedRow
from abruzzi.data.training_rows import TrainingRow
from abruzzi.errors import ConfigError, DataError
from tests.data.contamination.planted import CLEAN, ITEMS, REORDERED, RESPELT, embed


def to_rows(texts: Iterable[str], file: str = "train.jsonl") -> list[TrainingRow | MalformedRow]:
    return [TrainingRow(file, number, (text,), f"id-{number}") for number, text in enumerate(texts, start=1)]


def search(*texts: str, settings: Settings | None = None) -> Report:
    return find_contamination({"own": ITEMS}, to_rows(texts), settings)


def found(report: Report) -> dict[str, Kind]:
    return {match.item: match.kind for match in report.benchmarks[0].dirty}


def test_items_are_found_word_for_word() -> None:
    assert found(search(*CLEAN, *(item.question for item in ITEMS))) == dict.fromkeys(
        ("shop", "parabola", "root", "walls"), Kind.EXACT
    )


def test_items_are_found_re_spelt() -> None:
    assert found(search(*CLEAN, *RESPELT.values())) == dict.fromkeys(RESPELT, Kind.EXACT)


def test_items_are_found_within_longer_text() -> None:
    assert found(search(*CLEAN, *(embed(item.question) for item in ITEMS))) == dict.fromkeys(
        ("shop", "parabola", "root", "walls"), Kind.CONTAINED
    )


def test_items_are_found_in_another_order() -> None:
    assert found(search(*CLEAN, *REORDERED.values())).keys() == REORDERED.keys()


def test_items_are_found_with_some_words_changed() -> None:
    changed = ITEMS[3].question.replace("goes home", "leaves").replace("for the same wall", "for that")
    changed = changed.replace("They work together", "Both of them work")
    assert found(search(*CLEAN, changed)) == {"walls": Kind.NEAR}


def test_clean_rows_are_clean_alone_and_in_longer_text() -> None:
    assert found(search(*CLEAN, *map(embed, CLEAN))) == {}


def test_the_strongest_match_is_told_and_all_are_counted() -> None:
    question = ITEMS[0].question
    report = search(embed(question), CLEAN[0], question, REORDERED["shop"], question)
    (match,) = report.benchmarks[0].dirty
    assert (match.kind, match.score, match.file, match.row, match.row_id) == (Kind.EXACT, 1.0, "train.jsonl", 3, "id-3")
    assert match.num_rows == 4
    assert match.evidence.benchmark == match.evidence.train == question
    assert report.training[0].dirty_rows == 4


def test_the_evidence_is_what_each_side_wrote() -> None:
    (match,) = search(embed(RESPELT["parabola"])).benchmarks[0].dirty
    assert match.evidence.benchmark == ITEMS[1].question
    assert match.evidence.train == RESPELT["parabola"]


def test_the_report_says_what_was_searched() -> None:
    rows = [
        *to_rows(CLEAN[:2]),
        MalformedRow("train.jsonl", 3, "line 3 is not JSON"),
        MalformedRow("train.jsonl", 4, "line 4 is not an object"),
        *to_rows([ITEMS[2].question], "other.parquet"),
    ]
    seen: list[int] = []
    report = find_contamination({"own": ITEMS}, rows, Settings(near_similarity=0.7), progress=seen.append)
    first, second = report.training
    assert (first.file, first.rows, first.malformed, first.dirty_rows) == ("train.jsonl", 2, 2, 0)
    assert first.first_malformed == "line 3 is not JSON"
    assert (second.file, second.rows, second.malformed, second.dirty_rows) == ("other.parquet", 1, 0, 1)
    assert report.benchmarks[0].items_sha256 == hash_items(ITEMS)
    assert report.benchmarks[0].num_items == 4
    assert report.settings["near_similarity"] == 0.7
    assert seen == [5]


def test_a_row_has_several_texts() -> None:
    row = TrainingRow("chat.jsonl", 1, ("You are a helpful tutor.", ITEMS[2].question, ITEMS[0].question))
    report = find_contamination({"own": ITEMS}, [row])
    assert found(report) == {"shop": Kind.EXACT, "root": Kind.EXACT}
    assert report.training[0].dirty_rows == 1


def test_items_that_ask_the_same_are_all_dirty_in_every_benchmark() -> None:
    twins = [replace(ITEMS[0], id="one"), replace(ITEMS[0], id="two", question=RESPELT["shop"])]
    report = find_contamination({"own": ITEMS, "twins": twins}, to_rows([ITEMS[0].question]))
    assert [[match.item for match in benchmark.dirty] for benchmark in report.benchmarks] == [["shop"], ["one", "two"]]


def test_an_item_without_words_is_never_dirty() -> None:
    report = find_contamination({"own": [Item("empty", "?!", "", "math__own"), ITEMS[2]]}, to_rows(["?!", "…"]))
    assert found(report) == {}
    assert report.benchmarks[0].num_items == 2


def test_several_processes_find_the_same() -> None:
    texts = [*CLEAN * 200, *(item.question for item in ITEMS), *map(embed, RESPELT.values()), *CLEAN * 50]
    assert len(texts) > 2 * BATCH_ROWS
    alone, together = search(*texts), search(*texts, settings=Settings(workers=2))
    assert alone.benchmarks == together.benchmarks
    assert alone.training == together.training
    assert len(found(alone)) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_what_breaks_the_rows_off_is_raised(workers: int) -> None:
    def broken() -> Iterator[TrainingRow | MalformedRow]:
        yield from to_rows(CLEAN)
        raise DataError("the file broke off")

    with pytest.raises(DataError, match="the file broke off"):
        find_contamination({"own": ITEMS}, broken(), Settings(workers=workers))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(workers=0), "workers must be at least 1, got 0"),
        (Settings(near_words=0), "near_words must be at least 1, got 0"),
        (Settings(near_similarity=0.0), "near_similarity must be above 0 and at most 1, got 0.0"),
        (Settings(contained_share=1.5), "contained_share must be above 0 and at most 1, got 1.5"),
    ],
)
def test_impossible_settings_are_refused(settings: Settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        search(settings=settings)


def test_nothing_to_search_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="no benchmark items to search for"):
        find_contamination({"own": []}, [])


def test_no_rows_are_no_error() -> None:
    report = search()
    assert (report.num_dirty, report.training) == (0, ())


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z"]), min_size=1, max_size=80)


@given(words.filter(lambda text: any(c.isalnum() for c in text)), st.lists(words, max_size=3))
def test_a_row_equal_to_an_item_is_always_found(question: str, others: list[str]) -> None:
    item = Item("it", question, "", "math__own")
    report = find_contamination({"own": [item, *ITEMS]}, to_rows([*others, question]))
    assert "it" in found(report)
