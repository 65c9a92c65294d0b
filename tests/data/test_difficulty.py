import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.difficulty import (
    PassRate,
    PassRates,
    get_key,
    get_published_rates,
    keep_between,
    read_pass_rates,
)
from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError, RecordError

MEASURE = """
import os, signal, sys
from pathlib import Path
from abruzzi.data.difficulty import PassRate, PassRates
from abruzzi.data.items import Item
with PassRates(Path(sys.argv[1]), "tiny") as rates:
    for number in range(5):
        rates.add(Item(str(number), f"Q{number}", "1", "math__own"), PassRate(number, 8))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def make_item(key: str, question: str = "") -> Item:
    return Item(key, question or f"Q{key}", "1", "math__own")


def test_a_rate_counts_judged_samples_only() -> None:
    assert PassRate(2, 8).rate == 0.25
    assert PassRate(2, 4, num_unjudged=4).rate == 0.5
    assert PassRate(0, 0, num_unjudged=8).rate is None


def test_what_was_measured_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "made" / "rates.jsonl"
    with PassRates(path, "tiny") as rates:
        rates.add(make_item("a"), PassRate(3, 8, 1))
        assert rates.get(make_item("a")) == PassRate(3, 8, 1)
        assert rates.get(make_item("b")) is None
    with PassRates(path, "tiny") as rates:
        rates.add(make_item("b"), PassRate(8, 8))
        assert rates.rates == {get_key(make_item("a")): PassRate(3, 8, 1), get_key(make_item("b")): PassRate(8, 8)}
    assert read_pass_rates(path, "tiny").keys() == {get_key(make_item("a")), get_key(make_item("b"))}


def test_a_killed_measurement_keeps_every_item_and_goes_on_behind_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "rates.jsonl"
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], check=False)
    assert done.returncode == -9
    with path.open("a") as file:
        file.write('{"id": "5", "num_corr')
    with PassRates(path, "tiny") as rates:
        assert [rates.get(make_item(str(number))) for number in range(6)] == [*(PassRate(n, 8) for n in range(5)), None]
        rates.add(make_item("5"), PassRate(5, 8))
    assert len(read_pass_rates(path, "tiny")) == 6


def test_samplers_share_a_file_and_not_their_rates(tmp_path: Path) -> None:
    path = tmp_path / "rates.jsonl"
    for sampler, correct in (("tiny", 1), ("large", 7)):
        with PassRates(path, sampler) as rates:
            assert rates.get(make_item("a")) is None
            rates.add(make_item("a"), PassRate(correct, 8))
    assert read_pass_rates(path, "large") == {get_key(make_item("a")): PassRate(7, 8)}


def test_an_id_that_asks_something_else_by_now_is_another_item(tmp_path: Path) -> None:
    with PassRates(tmp_path / "rates.jsonl", "tiny") as rates:
        rates.add(make_item("a", "What is 1 + 1?"), PassRate(1, 8))
        assert rates.get(make_item("a", "What is 1 + 2?")) is None
        assert rates.get(make_item("a", "what is 1 + 1? ")) == PassRate(1, 8)


def test_the_last_measurement_of_an_item_counts(tmp_path: Path) -> None:
    path = tmp_path / "rates.jsonl"
    with PassRates(path, "tiny") as rates:
        rates.add(make_item("a"), PassRate(1, 8))
        rates.add(make_item("a"), PassRate(20, 32))
        assert rates.get(make_item("a")) == PassRate(20, 32)
    assert read_pass_rates(path, "tiny")[get_key(make_item("a"))] == PassRate(20, 32)


@pytest.mark.parametrize("rate", [PassRate(9, 8), PassRate(-1, 8), PassRate(1, 8, -1)])
def test_counts_that_make_no_sense_are_refused_and_not_written(rate: PassRate, tmp_path: Path) -> None:
    path = tmp_path / "rates.jsonl"
    with PassRates(path, "tiny") as rates, pytest.raises(DataError, match="the pass rate of 'a' makes no sense"):
        rates.add(make_item("a"), rate)
    assert path.read_bytes() == b""


def test_a_file_of_something_else_is_named_with_its_line_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "rates.jsonl"
    path.write_text(json.dumps({"id": "a"}) + "\n")
    for _ in range(2):  # the second time, too: the lock was given back
        with pytest.raises(RecordError, match=r"rates.jsonl, line 1 is no pass rate: "):
            PassRates(path, "tiny")
    with pytest.raises(RecordError, match="cannot read"):
        read_pass_rates(tmp_path / "none.jsonl", "tiny")


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rates.jsonl"
    with PassRates(path, "tiny"), pytest.raises(RecordError, match="is being written by another process"):
        PassRates(path, "large")


def test_thresholds_are_strict_and_every_item_is_accounted_for() -> None:
    rates = {"a": (0, 8), "b": (1, 8), "c": (2, 8), "d": (7, 8), "e": (8, 8), "f": (0, 0)}
    items = [make_item(key) for key in (*rates, "g")]
    known = {get_key(make_item(key)): PassRate(*counts) for key, counts in rates.items()}
    kept = keep_between(items, known, 0.125, 0.875)
    assert [item.id for item in kept.items] == ["c"]
    assert (kept.num_below, kept.num_above, kept.num_unmeasured) == (2, 2, 2)
    assert [item.id for item in keep_between(items, known, 0, 1).items] == ["b", "c", "d"]
    assert [item.id for item in keep_between(items, known, -1, 0.2).items] == ["a", "b"]
    assert [item.id for item in keep_between(items, known, 0.5, 2).items] == ["d", "e"]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=20),
    st.floats(-0.5, 1.5),
    st.floats(-0.5, 1.5),
)
def test_no_item_is_lost(counts: list[tuple[int, int]], low: float, high: float) -> None:
    items = [make_item(str(number)) for number in range(len(counts) + 1)]
    rates = {get_key(items[n]): PassRate(min(pair), max(pair)) for n, pair in enumerate(counts)}
    if not low < high:
        with pytest.raises(ConfigError, match="must be less than the upper one"):
            keep_between(items, rates, low, high)
        return
    kept = keep_between(items, rates, low, high)
    assert len(kept.items) + kept.num_below + kept.num_above + kept.num_unmeasured == len(items)
    assert all(low < (rates[get_key(item)].rate or 0) < high for item in kept.items)


def test_published_rates_are_used_alike() -> None:
    column = "qwen2.5_7b_pass_rate"
    items = [Item(str(rate), f"Q{rate}", "1", "math__x", {column: rate}) for rate in (0, 0.0625, 0.5, 1.0)]
    rates = get_published_rates([*items, make_item("bare")], column)
    assert list(rates.values()) == [PassRate(0, 16), PassRate(1, 16), PassRate(8, 16), PassRate(16, 16)]
    assert [item.id for item in keep_between(items, rates, 0, 0.9).items] == ["0.0625", "0.5"]
    with pytest.raises(DataError, match=rf"'{column}' of the item 'x' is no share in \[0, 1\]: 1.5"):
        get_published_rates([Item("x", "Q", "1", "math__x", {column: 1.5})], column)
