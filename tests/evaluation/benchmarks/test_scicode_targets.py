from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.scicode_targets import MAX_NUMBERS, read_targets

h5py: Any = pytest.importorskip("h5py")


def test_values_of_every_kind_become_plain(tmp_path: Path) -> None:
    path = tmp_path / "test_data.h5"
    with h5py.File(path, "w") as file:
        file["1.1/test1/var1"] = 2.5
        file["1.1/test2/var1"] = [[1, 2], [3, 4]]
        file["1.2/test1/var1"] = [1 + 2j]
        file["1.2/test2/var1"] = 7
        file["1.2/test2/var2"] = True
        file["1.3/test1/var1/list/var1"] = 1.0
        file["1.3/test1/var1/list/var2"] = [2.0, 3.0]
        file["1.3/test2/var1/a"] = 1
        file["1.3/test2/var1/b"] = "word"
    assert read_targets(path, {"1.1": 2, "1.2": 2, "1.3": 2, "9.9": 1}) == {
        "1.1": [2.5, [[1, 2], [3, 4]]],
        "1.2": [[{"complex": [1.0, 2.0]}], [7, True]],
        "1.3": [[1.0, [2.0, 3.0]], {"a": 1, "b": "word"}],
    }


def test_sparse_matrices_are_written_out(tmp_path: Path) -> None:
    path = tmp_path / "test_data.h5"
    with h5py.File(path, "w") as file:
        by_place = file.create_group("2.1/test1/var1/sparse_matrix")
        by_place["shape"], by_place["data"], by_place["row"], by_place["col"] = (2, 3), [5.0, 6.0], [0, 1], [2, 0]
        by_row = file.create_group("2.2/test1/var1/sparse_matrix")
        by_row["shape"], by_row["data"], by_row["indices"], by_row["indptr"] = (2, 3), [5.0, 6.0], [2, 0], [0, 1, 2]
        blocks = file.create_group("2.3/test1/var1/sparse_matrix")
        blocks["shape"], blocks["data"], blocks["blocksize"] = (2, 3), [5.0], (1, 1)
    dense = [[0.0, 0.0, 5.0], [6.0, 0.0, 0.0]]
    assert read_targets(path, {"2.1": 1, "2.2": 1, "2.3": 1}) == {"2.1": [dense], "2.2": [dense]}


def test_a_step_with_too_many_numbers_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "test_data.h5"
    with h5py.File(path, "w") as file:
        file["3.1/test1/var1"] = [0] * (MAX_NUMBERS + 1)
    assert read_targets(path, {"3.1": 1}) == {}


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test_data.h5"
    path.write_text("no HDF5")
    with pytest.raises(DataError, match=r"cannot read .*test_data.h5 as HDF5"):
        read_targets(path, {"1.1": 1})
