"""Pages on disk."""

from pathlib import Path

import pytest

from abruzzi.errors import RecordError
from abruzzi.pages.files import save_pages


def test_both_files_are_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    paths = save_pages(tmp_path / "a" / "b", "# é\n", "<p>é\n")
    assert [path.name for path in paths] == ["report.md", "report.html"]
    assert [path.read_text(encoding="utf-8") for path in paths] == ["# é\n", "<p>é\n"]


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"cannot write the report to .*file: .*; choose another --out"):
        save_pages(tmp_path / "file", "", "")
