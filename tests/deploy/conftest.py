"""A real server, for what is said of its routes."""

from collections.abc import Generator

import pytest

from tests.serving.running import serving


@pytest.fixture(scope="session")
def url() -> Generator[str]:
    with serving() as address:
        yield address
