import json
from pathlib import Path

import pytest

from abruzzi.errors import ConfigError
from abruzzi.launch.facts import GIB, Cards, check_context, parse_cards


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("h100", Cards("h100", 1, 80e9)),
        ("8xH100", Cards("h100", 8, 80e9)),
        (" 2 x h200 ", Cards("h200", 2, 141e9)),
        ("24GiB", Cards("24GiB", 1, 24 * GIB)),
        ("4x48gb", Cards("48gb", 4, 48e9)),
        ("1.5GiB", Cards("1.5GiB", 1, 1.5 * GIB)),
    ],
)
def test_cards_are_named_or_told_by_their_memory(text: str, cards: Cards) -> None:
    assert parse_cards(text) == cards
    assert parse_cards(cards.spec) == cards


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h10", "did you mean 'h100'"),
        ("8x", "unknown hardware '8x'"),
        ("0xh100", "1 to 1024 cards"),
        ("0GiB", "holds nothing"),
        ("24", "any other card by its memory"),
        ("", "unknown hardware ''"),
    ],
)
def test_what_is_no_card_is_refused_with_the_way_to_say_it(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_cards(text)


def test_a_context_beyond_the_models_positions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 4096}))
    check_context(str(tmp_path), 4096)
    with pytest.raises(ConfigError, match="positions for 4,096 tokens"):
        check_context(str(tmp_path), 4097)


def test_a_model_without_a_folder_is_not_held_to_its_positions() -> None:
    check_context("Qwen/Qwen2.5-32B", 10**9)


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        check_context(str(tmp_path), 1)
