"""Fixtures that several folders of tests share."""

from collections.abc import Iterator

import platformdirs
import pytest

from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.weights import fetch_base


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The real engine with the base model, three slots; the weights are fetched at first use.

    Tests that use it carry the marker ``engine``.
    """
    model = fetch_base(platformdirs.user_cache_path("abruzzi"))
    with Engine(EngineSettings(model=model, slots=3)) as running:
        yield running
