from dataclasses import replace

import pytest

from abruzzi.capacity.gpus import GPUS
from abruzzi.capacity.machines import CPU2, KINDS, find_machine, with_price
from abruzzi.errors import ConfigError
from tests.capacity.shapes import TOY


def test_a_count_before_a_kind_multiplies_devices() -> None:
    one, eight = find_machine("h100"), find_machine("8xh100")
    assert (one.devices, eight.devices) == (1, 8)
    assert eight.total_memory_bytes == 8 * one.total_memory_bytes == 8 * 80e9
    assert (one.reduce_s, eight.reduce_s) == (0.0, 18e-6)
    assert eight.name == "8xh100"


@pytest.mark.parametrize("kind", GPUS)
def test_every_gpu_makes_a_machine_of_its_data_sheet(kind: str) -> None:
    machine, gpu = find_machine(kind), GPUS[kind]
    assert (machine.flops, machine.bandwidth, machine.memory_bytes) == (gpu.flops, gpu.bandwidth, gpu.memory_bytes)
    assert machine.link_bandwidth == gpu.link


def test_a_wafer_passes_tokens_on() -> None:
    assert find_machine("2xwse3").layout == "pipeline"
    # 64 layers of it are half a millisecond: K2-Think's 2,000 tokens a second.
    assert 1 / (64 * find_machine("wse3").layer_s) == pytest.approx(2000, rel=2e-3)


def test_two_cores_have_a_name() -> None:
    assert find_machine("cpu2") is CPU2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("h10", "did you mean 'h100'"),
        ("8xh10", "did you mean 'h100'"),
        ("abacus", "known: a100"),
        ("0xh100", "has 0 devices"),
        ("5000xh100", "between 1 and 1024"),
        ("2xcpu2", "unknown hardware"),
    ],
)
def test_an_unknown_machine_is_told_what_is_known(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_machine(name)


@pytest.mark.parametrize(
    "field", ["devices", "memory_bytes", "flops", "bandwidth", "flops_share", "bandwidth_share", "cache_share"]
)
@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_what_must_be_above_0_is(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"the {field} of 'toy' is"):
        replace(TOY, **{field: value})


@pytest.mark.parametrize(("field", "value"), [("overlap", 1.1), ("overlap", -0.1), ("pass_s", -1.0), ("layer_s", -1.0)])
def test_other_values_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"the {field} of 'toy' is"):
        replace(TOY, **{field: value})


def test_a_price_is_given_or_left() -> None:
    priced = with_price(TOY, 3.5)
    assert priced.price_per_hour == 3.5
    assert with_price(priced, None) is priced


def test_names_of_kinds_are_their_machines_names() -> None:
    assert all(find_machine(kind).name == kind for kind in KINDS)
