"""Errors refine standard types, carry what they say, and pickle."""

import pickle

import pytest

from abruzzi import errors


def all_errors() -> list[type[errors.AbruzziError]]:
    found: list[type[errors.AbruzziError]] = []
    waiting: list[type[errors.AbruzziError]] = [errors.AbruzziError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += (child for child in kind.__subclasses__() if child.__module__ == errors.__name__)
    return found


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_pickles_with_its_message(kind: type[errors.AbruzziError]) -> None:
    error = kind("what failed; what to do")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "what failed; what to do"


def test_status_and_waiting_time_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(errors.RateLimitError("slow down", 429, 2.5)))
    assert (error.status, error.retry_after_s, str(error)) == (429, 2.5, "slow down")
    assert pickle.loads(pickle.dumps(errors.EndpointError("bad", 503))).status == 503


def test_every_error_stands_in_the_tree_of_the_docstring() -> None:
    assert errors.__doc__ is not None
    for kind in all_errors():
        assert kind.__name__ in errors.__doc__
        assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "standard"),
    [
        (errors.ConfigError, ValueError),
        (errors.UnreachableError, ConnectionError),
        (errors.ModelTimeoutError, TimeoutError),
        (errors.EngineStartError, RuntimeError),
        (errors.RecordError, OSError),
    ],
)
def test_errors_refine_standard_types(kind: type[Exception], standard: type[Exception]) -> None:
    assert issubclass(kind, standard)
