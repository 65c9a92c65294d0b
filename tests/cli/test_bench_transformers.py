"""Weights that transformers cannot open are refused before anything is measured."""

from pathlib import Path

import pytest

from abruzzi.cli.bench_transformers import open_sampler
from abruzzi.cli.wiring import Weights
from abruzzi.errors import ConfigError, WeightsError


def test_an_adapter_as_a_gguf_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--adapter"):
        open_sampler(Weights(tmp_path / "base.gguf", tmp_path / "solver.gguf"), None)


def test_weights_that_are_none_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    with pytest.raises(WeightsError, match=r"broken\.gguf"):
        open_sampler(Weights(broken), None)
