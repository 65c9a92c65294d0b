import contextlib
import os
from pathlib import Path

import anyio
import pytest

from abruzzi.config import build
from abruzzi.errors import ConfigError
from abruzzi.serving.store.open import locate_store, open_store
from abruzzi.serving.store.settings import StoreSettings


def test_the_environment_wins_over_the_settings_and_these_over_the_users_folder(tmp_path: Path) -> None:
    home = {"ABRUZZI_HOME": str(tmp_path)}
    assert locate_store(StoreSettings(), home) == str(tmp_path / "questions.db")
    assert locate_store(StoreSettings(), {}).endswith("questions.db")
    assert locate_store(StoreSettings(url="a.db"), home) == "a.db"
    assert locate_store(StoreSettings(url="a.db"), home | {"ABRUZZI_STORE": "b.db"}) == "b.db"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@db/q",
        "postgresql://ann:hun/ter2@db/q",
        "postgresql://db/q?password=hunter2",
        "postgresql://db/q?sslpassword=hunter2",
        "host=db password = hunter2",
    ],
)
def test_a_password_does_not_belong_into_settings(url: str) -> None:
    with pytest.raises(ConfigError, match="ABRUZZI_STORE") as caught:
        locate_store(StoreSettings(url=url), {})
    assert "ter2" not in str(caught.value)
    assert locate_store(StoreSettings(url="postgresql://ann@db/q"), {}) == "postgresql://ann@db/q"


def test_other_kinds_of_stores_are_refused_without_showing_the_address() -> None:
    with pytest.raises(ConfigError, match="mysql://") as caught:
        anyio.run(open_store, StoreSettings(url="mysql://ann@db/q"), os.environ)
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql:/ann:hunter2@db/q", "postgres:ann:hunter2@db/q", "host=db password=hunter2", "mysql://a:hunter2@db/q"],
)
def test_an_address_that_is_none_makes_no_file_of_its_name(url: str, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path), pytest.raises(ConfigError, match="postgresql://") as caught:
        anyio.run(open_store, StoreSettings(), {"ABRUZZI_STORE": url})
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_lease_outlives_two_heartbeats() -> None:
    with pytest.raises(ConfigError, match="at least twice"):
        build(StoreSettings, {"heartbeat_s": 10, "lease_s": 15}, source="abruzzi.toml")
