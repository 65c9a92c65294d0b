import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.engine.gguf import inspect
from abruzzi.errors import WeightsError
from tests.engine.tiny import gguf_bytes, model_file


def test_a_whole_file_says_what_is_in_it(tmp_path: Path) -> None:
    info = inspect(model_file(tmp_path))
    assert (info.architecture, info.name, info.context_length) == ("llama", "Tiny", 512)
    assert (info.is_adapter, info.num_tensors) == (False, 1)


def test_an_adapter_is_told_from_a_model(tmp_path: Path) -> None:
    assert inspect(model_file(tmp_path, is_adapter=True)).is_adapter


def test_one_byte_less_is_cut_short(tmp_path: Path) -> None:
    path = model_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match=rf"cut short: {len(whole) - 1} bytes, and its tensors need {len(whole)}"):
        inspect(path)


def test_a_quantised_tensor_is_measured_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "q4_1.gguf"
    whole = gguf_bytes(num_weights=96, kind=3, block=(32, 20))
    path.write_bytes(whole)
    assert inspect(path).num_tensors == 1
    path.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match="cut short"):
        inspect(path)


def test_every_cut_is_one_clear_error(tmp_path: Path) -> None:
    path = model_file(tmp_path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError) as caught:
            inspect(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@given(st.integers(4, 400), st.binary(min_size=1, max_size=12))
def test_noise_in_the_header_never_escapes_as_anything_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("noise") / "noise.gguf"
    whole = gguf_bytes()
    path.write_bytes((whole[:at] + noise + whole[at + len(noise) :])[: len(whole)])
    with suppress(WeightsError):
        assert inspect(path).path == path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not a GGUF file"),
        (b"GG", "is not a GGUF file"),
        (gguf_bytes(version=9), "version 9; versions 2 and 3 are understood"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 2**60), "cut short|broken header"),
    ],
)
def test_what_is_no_gguf_file_says_so(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        inspect(path)


def test_missing_and_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no model file at"):
        inspect(tmp_path / "none.gguf")
    with pytest.raises(WeightsError, match="is a folder"):
        inspect(tmp_path)
