"""What is kept holds for the very same circumstances only."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import DEFAULTS, Method
from abruzzi.engine.speculation_choice import Finding, Load, Tuned
from abruzzi.engine.tuned import FILE_NAME, circumstances_of, find_tuned, library_build, processor_name, save_tuned
from tests.engine.tiny import model_file

FOUND = Finding(Load.ALONE, (1.1,) * 5, {"copying": 1.1}, 1.01, 0.5, 1.5)
TUNED = Tuned(((DEFAULTS[Method.NGRAM_SIMPLE], (FOUND,)),))


def test_what_was_kept_is_found_again_and_replaced(tmp_path: Path) -> None:
    settings = EngineSettings(model=model_file(tmp_path), slots=3, threads=2)
    assert find_tuned(tmp_path / "cache", settings) is None
    path = save_tuned(tmp_path / "cache", circumstances_of(settings), TUNED)
    assert find_tuned(tmp_path / "cache", settings) == TUNED
    save_tuned(tmp_path / "cache", circumstances_of(replace(settings, slots=4)), Tuned(()))
    save_tuned(tmp_path / "cache", circumstances_of(settings), Tuned(()))
    assert find_tuned(tmp_path / "cache", settings) == Tuned(())
    assert len(json.loads(path.read_text())) == 2


def test_another_model_slot_thread_library_or_processor_is_no_entry(tmp_path: Path) -> None:
    settings = EngineSettings(model=model_file(tmp_path), slots=3, threads=2)
    same = circumstances_of(settings)
    save_tuned(tmp_path, same, TUNED)
    assert find_tuned(tmp_path, replace(settings, slots=2)) is None
    assert find_tuned(tmp_path, replace(settings, threads=1)) is None
    moved = tmp_path / "moved.gguf"
    moved.write_bytes(settings.model.read_bytes())
    assert find_tuned(tmp_path, replace(settings, model=moved)) == TUNED
    moved.write_bytes(settings.model.read_bytes() + b"more")
    assert find_tuned(tmp_path, replace(settings, model=moved)) is None
    for changes in ({"library": "2020.1.1"}, {"cpu": "another"}):
        other = tmp_path / "other"
        save_tuned(other, replace(same, **changes), TUNED)
        assert find_tuned(other, settings) is None
        (other / FILE_NAME).unlink()


def test_a_broken_file_is_no_entry_and_is_written_anew(tmp_path: Path) -> None:
    settings = EngineSettings(model=model_file(tmp_path))
    for text in ("", "{", "{}", "[1]", '[{"circumstances": 1}]'):
        (tmp_path / FILE_NAME).write_text(text)
        assert find_tuned(tmp_path, settings) is None
    path = save_tuned(tmp_path, circumstances_of(settings), TUNED)
    entry = json.loads(path.read_text())[-1]
    del entry["methods"][0]["findings"]
    path.write_text(json.dumps([entry]))
    assert find_tuned(tmp_path, settings) is None


def test_the_processor_is_named_by_the_kernel_or_its_architecture(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast One\nmodel name\t: Other\n")
    assert processor_name(tmp_path / "cpuinfo") == "Fast One"
    assert processor_name(tmp_path / "missing")


def test_builds_of_one_version_are_told_apart(tmp_path: Path) -> None:
    assert library_build([str(tmp_path)]) == ""
    info = tmp_path / "xllamacpp-2026.1.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: xllamacpp\nVersion: 2026.1.7\n")
    assert library_build([str(tmp_path)]) == "2026.1.7"
    (info / "RECORD").write_text(
        "xllamacpp/__init__.py,sha256=zzz,1\nxllamacpp/xllamacpp.abi3.so,sha256=0123456789ab,9\n"
    )
    assert library_build([str(tmp_path)]) == "2026.1.7+01234567"
    assert library_build().partition("+")[0] == version("xllamacpp")
    assert len(library_build().partition("+")[2]) == 8
