"""Limits of drafts."""

import pytest

from abruzzi.engine.drafting.draft import DraftLimits
from abruzzi.errors import ConfigError


@pytest.mark.parametrize("limits", [(0, 4), (3, 0)])
def test_nothing_is_drafted_after_nothing(limits: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="both must be at least 1"):
        DraftLimits(*limits)
