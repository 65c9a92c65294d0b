"""Folders: begun once, gone on with by the same command, also by a later version that has further settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import ConfigError
from abruzzi.evaluation.folder import ABLATION_FILE, PROTOCOL_FILE, open_ablation, open_evaluation, read_ablation
from tests.evaluation.making import make_item, make_protocol, write_ablation, write_evaluation

ITEMS = {"sums": [make_item(name) for name in "abc"]}


def forget(path: Path, setting: str) -> None:
    """Rewrite a stored protocol as a version wrote it that had no such setting."""
    content: dict[str, Any] = json.loads(path.read_text())
    del content["ask"][setting]
    path.write_text(json.dumps(content))


def test_an_ablation_stored_before_a_setting_existed_is_gone_on_with(tmp_path: Path) -> None:
    protocol = write_ablation(tmp_path, ITEMS, runs=4).protocol
    forget(tmp_path / ABLATION_FILE, "judge_reads")
    assert read_ablation(tmp_path).protocol == protocol
    assert open_ablation(tmp_path, protocol, ITEMS).protocol == protocol
    other = protocol.model_copy(update={"ask": protocol.ask.model_copy(update={"judge_reads": "thoughts"})})
    with pytest.raises(ConfigError, match=r"ask\.judge_reads is 'answer' there and 'thoughts' now"):
        open_ablation(tmp_path, other, ITEMS)


def test_an_evaluation_likewise(tmp_path: Path) -> None:
    write_evaluation(tmp_path, ITEMS["sums"], ())
    forget(tmp_path / PROTOCOL_FILE, "judge_reads")
    assert open_evaluation(tmp_path, make_protocol(ITEMS["sums"]), ITEMS["sums"]).protocol.ask.judge_reads == "answer"


def test_another_kind_of_evaluation_is_refused(tmp_path: Path) -> None:
    write_evaluation(tmp_path, ITEMS["sums"], ())
    with pytest.raises(ConfigError, match="holds another kind of evaluation"):
        write_ablation(tmp_path, ITEMS, runs=4)
