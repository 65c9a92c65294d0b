"""The sample settings load, and every place starts the server with options that it has, and gives it time to end."""

import pytest

from abruzzi.cli.serving import CANCEL_S
from abruzzi.cli.wiring import ASK_TABLES, build_settings
from abruzzi.config import read_toml
from abruzzi.models.specs import EndpointSpec, parse_spec
from abruzzi.serving.settings import LOOPBACK, ServeSettings
from tests.deploy.files import PLACES, SETTINGS, parse, settle


def test_the_sample_holds_no_setting_that_is_unknown() -> None:
    asking, models = build_settings(SETTINGS, ASK_TABLES, models={}, ask={})
    assert isinstance(parse_spec(models.solver), EndpointSpec)
    assert asking.soft_deadline_s < asking.hard_deadline_s


def test_the_sample_names_every_table_that_an_operator_must_know() -> None:
    table = read_toml(SETTINGS, ASK_TABLES)["serve"]
    assert {"limits", "store", "trace", "drain_s", "host", "port"} <= set(table) <= set(ServeSettings.model_fields)


@pytest.mark.parametrize("place", PLACES)
def test_the_command_and_the_file_make_settings(place: str) -> None:
    settings = settle(PLACES[place])
    assert str(parse(PLACES[place].command)["config"]) == "/etc/abruzzi/abruzzi.toml"
    assert not settings.no_keys
    assert (settings.host in LOOPBACK) == (place == "systemd"), "a container is reached from outside it"


@pytest.mark.parametrize("place", PLACES)
def test_the_kill_comes_after_the_drain(place: str) -> None:
    assert PLACES[place].grace_s > settle(PLACES[place]).drain_s + CANCEL_S
