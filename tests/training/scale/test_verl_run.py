from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.scale.settings import Scale
from abruzzi.training.scale.verl_run import Asked, prepare_run
from tests.training.scale.guru_rows import CASES, FREE_TEXT, ask
from tests.training.scale.large import grpo_scale, large_scale, read

ASKED = [Asked(case.item, ask(case.item), case.domain) for case in CASES]
SMALL = ("grpo.prompts_per_step=8", "grpo.updates_per_step=1")


def small_scale(**changes: object) -> Scale:
    return Scale(model=large_scale().model, grpo=grpo_scale(nodes=1, **changes))


def prepare(out: Path, *changes: str, asked: Sequence[Asked] = ASKED, scale: Scale | None = None) -> list[str]:
    return prepare_run(
        read("grpo", *changes), scale or small_scale(), train=asked, held_out=ASKED[:2], model=Path("model"), out=out
    )


def test_a_run_has_its_rows_and_its_command(tmp_path: Path) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    command = prepare(tmp_path / "run", *SMALL)
    train, held_out = (tmp_path / "run" / "rows" / name for name in ("train.parquet", "held-out.parquet"))
    assert f"data.train_files=['{train}']" in command
    assert f"data.val_files=['{held_out}']" in command
    assert f"actor_rollout_ref.model.path='{Path('model').absolute()}'" in command
    rows = parquet.read_table(train).to_pylist()
    assert [(row["extra_info"]["id"], row["extra_info"]["index"], row["extra_info"]["split"]) for row in rows] == [
        (case.item.id, index, "train") for index, case in enumerate(CASES)
    ]
    assert [row["ability"] for row in rows] == [case.domain for case in CASES]
    assert [row["extra_info"]["split"] for row in parquet.read_table(held_out).to_pylist()] == ["test", "test"]


def test_a_step_needs_its_prompts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="10 items make no step of 256 prompts"):
        prepare(tmp_path)


def test_nothing_is_written_for_what_verl_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mask_truncated"):
        prepare(tmp_path, *SMALL, "grpo.mask_truncated=true")
    with pytest.raises(ConfigError, match=r"table \[grpo\] in scale.toml"):
        prepare(tmp_path, *SMALL, scale=Scale(model=large_scale().model))
    assert list(tmp_path.iterdir()) == []


def test_free_text_needs_a_grader(tmp_path: Path) -> None:
    asked = [*ASKED, Asked(FREE_TEXT, ask(FREE_TEXT))]
    with pytest.raises(ConfigError, match=f"item '{FREE_TEXT.id}' is answered in free text"):
        prepare(tmp_path, *SMALL, asked=asked, scale=small_scale(grader=None))
    assert list((tmp_path / "rows").iterdir()) == []
    prepare(tmp_path, *SMALL, asked=asked)
    assert (tmp_path / "rows" / "train.parquet").is_file()
