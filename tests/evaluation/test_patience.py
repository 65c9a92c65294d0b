"""Waiting out an endpoint: how long the pauses are, when they end, and for whom nobody waits."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import (
    AbruzziError,
    AccessError,
    ConfigError,
    ContextLengthError,
    DataError,
    EndpointError,
    EngineError,
    EngineStartError,
    ModelError,
    ModelTimeoutError,
    NoCandidateError,
    RateLimitError,
    RecordError,
    UnreachableError,
)
from abruzzi.evaluation.patience import may_pass, wait_out
from tests.evaluation.making import Naps


class Work:
    """Raises its errors in turn, the last one for ever, or is done once they are used up."""

    def __init__(self, *errors: BaseException, for_ever: bool = False) -> None:
        self.errors = list(errors)
        self.for_ever = for_ever
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if not self.errors:
            return "done"
        raise self.errors[0] if self.for_ever and len(self.errors) == 1 else self.errors.pop(0)


def wait(work: Work, naps: Naps, patience_s: float = 3600.0) -> str:
    async def main() -> str:
        return await wait_out(work, patience_s=patience_s, sleep=naps)

    return anyio.run(main)


def test_work_that_does_not_fail_is_done_once() -> None:
    work, naps = Work(), Naps()
    assert wait(work, naps) == "done"
    assert (work.tries, naps.pauses) == (1, [])


def test_pauses_double_up_to_a_minute() -> None:
    work, naps = Work(*[UnreachableError("gone")] * 9), Naps()
    assert wait(work, naps) == "done"
    assert naps.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert work.tries == 10


def test_an_hour_of_patience_by_hand() -> None:
    # 1 + 2 + … + 32 = 63 s, then minutes: 58 of them make 3543 s, and a 59th would make 3603.
    work, naps = Work(UnreachableError("gone"), for_ever=True), Naps()
    with pytest.raises(UnreachableError, match="gone"):
        wait(work, naps)
    assert (len(naps.pauses), sum(naps.pauses)) == (64, 3543)
    assert work.tries == 65


@given(st.floats(0, 5000))
def test_the_pauses_are_never_longer_than_the_patience_and_use_it_up(patience_s: float) -> None:
    naps = Naps()
    with pytest.raises(RateLimitError):
        wait(Work(RateLimitError("slow down"), for_ever=True), naps, patience_s)
    following = min(60, 2 ** len(naps.pauses))
    assert sum(naps.pauses) <= patience_s < sum(naps.pauses) + following


def test_a_pause_that_fits_exactly_is_made() -> None:
    naps = Naps()
    with pytest.raises(EngineError):
        wait(Work(EngineError("starting"), for_ever=True), naps, 3.0)
    assert naps.pauses == [1, 2]


def test_the_last_failure_is_the_one_raised() -> None:
    with pytest.raises(RateLimitError, match="slow down"):
        wait(Work(UnreachableError("gone"), RateLimitError("slow down"), for_ever=True), Naps(), 2.0)


def test_a_failure_that_will_not_pass_ends_the_waiting_at_once() -> None:
    naps = Naps()
    work = Work(UnreachableError("gone"), EndpointError("no such model", 404), UnreachableError("gone"))
    with pytest.raises(EndpointError, match="no such model"):
        wait(work, naps)
    assert (work.tries, naps.pauses) == (2, [1])


@pytest.mark.parametrize(
    "error", [DataError("empty"), ConfigError("unknown"), RecordError("full"), ZeroDivisionError()]
)
def test_what_no_endpoint_did_is_not_waited_out(error: Exception) -> None:
    work, naps = Work(error), Naps()
    with pytest.raises(type(error)):
        wait(work, naps)
    assert (work.tries, naps.pauses) == (1, [])


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("no connection"),
        ModelTimeoutError("too slow"),
        ModelError("the judge failed"),
        RateLimitError("slow down"),
        RateLimitError("slow down", 503, 1.0),
        EndpointError("broken", 500),
        EndpointError("loading", 503),
        EndpointError("took too long", 408),
        EndpointError("in the way", 409),
        EndpointError("too early", 425),
        EndpointError("broke off the reply", None),
        EngineError("the engine died"),
        EngineStartError("it did not come up"),
    ],
    ids=repr,
)
def test_what_may_pass(error: AbruzziError) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        AccessError("wrong key", 401),
        AccessError("wrong key", 403),
        AccessError("wrong key"),
        EndpointError("malformed", 400),
        EndpointError("no such model", 404),
        EndpointError("too large", 413),
        EndpointError("refused", 422),
        ContextLengthError("too long", 400),
        ContextLengthError("too long, said within the stream"),
        NoCandidateError("nothing but empty replies"),
        DataError("empty"),
    ],
    ids=repr,
)
def test_what_will_not_pass(error: AbruzziError) -> None:
    assert not may_pass(error)
