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


def test_a_password_does_not_belong_into_settings() -> None:
    with pytest.raises(ConfigError, match="ABRUZZI_STORE") as caught:
        locate_store(StoreSettings(url="postgresql://ann:hunter2@db/q"), {})
    assert "hunter2" not in str(caught.value)
    assert locate_store(StoreSettings(url="postgresql://ann@db/q"), {}) == "postgresql://ann@db/q"


def test_other_kinds_of_stores_are_refused_without_showing_the_address() -> None:
    with pytest.raises(ConfigError, match="mysql://") as caught:
        anyio.run(open_store, StoreSettings(url="mysql://ann@db/q"), os.environ)
    assert "ann" not in str(caught.value)


def test_a_lease_outlives_two_heartbeats() -> None:
    with pytest.raises(ConfigError, match="at least twice"):
        build(StoreSettings, {"heartbeat_s": 10, "lease_s": 15}, source="abruzzi.toml")
