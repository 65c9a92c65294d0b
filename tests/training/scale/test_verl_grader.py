import anyio
import pytest

from abruzzi.errors import ConfigError
from abruzzi.training.scale.verl_grader import open_model, parse_grader


@pytest.mark.parametrize("spec", ["embedded", "scripted"])
def test_a_grader_is_an_endpoint(spec: str) -> None:
    with pytest.raises(ConfigError, match=f"grader '{spec}' must be an endpoint's address"):
        anyio.run(open_model, spec)


def test_an_address_may_name_a_model() -> None:
    parsed = parse_grader("http://grader:8000/v1#general-verifier")
    assert (parsed.base_url, parsed.model) == ("http://grader:8000/v1", "general-verifier")
