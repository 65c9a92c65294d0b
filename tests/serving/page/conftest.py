"""One browser for all tests of the page; each of them opens a fresh profile in it."""

import pytest

from tests.pages.browsing import run_browser

# Not of the whole session: while it runs, no other test of the process can run an event loop.
browser = pytest.fixture(scope="package")(run_browser)
