from dataclasses import replace
from pathlib import Path

import pytest

from abruzzi.capacity.machine_file import open_machine, read_machine
from abruzzi.capacity.machines import find_machine
from abruzzi.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_machine_in_the_units_of_data_sheets(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[machine]\nname = "two old cards"\ndevices = 2\nmemory_gb = 24\ntflops = 70\nbandwidth_gbs = 900\n'
        "link_gbs = 32\nreduce_us = 40\nlayer_us = 2\npass_us = 5\nflops_share = 0.5\nprice_per_hour = 0.8\n",
    )
    machine = open_machine(str(path))
    assert (machine.name, machine.devices, machine.layout) == ("two old cards", 2, "tensor")
    assert machine.memory_bytes == 24e9
    assert machine.flops == 70e12
    assert machine.bandwidth == 900e9
    assert machine.link_bandwidth == 32e9
    assert (machine.reduce_s, machine.layer_s, machine.pass_s) == pytest.approx((40e-6, 2e-6, 5e-6))
    assert (machine.flops_share, machine.price_per_hour) == (0.5, 0.8)


def test_a_machine_like_a_known_one(tmp_path: Path) -> None:
    machine = read_machine(write(tmp_path, '[machine]\nlike = "8xh100"\nreduce_us = 8\n'))
    assert machine == replace(find_machine("8xh100"), name="mine", reduce_s=8 * 1e-6)


def test_a_name_that_is_no_file_is_looked_up() -> None:
    assert open_machine("h200") == find_machine("h200")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks memory_gb, tflops, bandwidth_gbs"),
        ("[machine]\nmemory_gb = 24\ntflops = 7\n", "lacks bandwidth_gbs"),
        ('[machine]\nlike = "h10"\n', "did you mean 'h100'"),
        ('[machine]\nlike = "h100"\nflops_share = 1.5\n', r"flops_share: .*\(got 1.5\)"),
        ('[machine]\nlike = "h100"\nmemory = 3\n', "unknown setting 'memory'"),
        ('[machine]\nlike = "h100"\ndevices = 0\n', "devices"),
        ("[gpu]\nmemory_gb = 3\n", "unknown table"),
        ("[machine", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_machine(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        open_machine(str(tmp_path / "nowhere.toml"))
