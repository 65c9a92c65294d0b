"""The ledger counts every call once."""

import pytest

from abruzzi.ledger import Call, CallOutcome, Ledger, ServerTimes, sum_usage
from abruzzi.nouns import Role, Usage


def test_a_call_is_timed_and_told() -> None:
    times = iter([100.0, 101.0, 101.5, 104.0])
    told: list[Call] = []
    ledger = Ledger(clock=lambda: next(times), on_call=told.append)
    call = ledger.open(Role.SOLVER, "m", num_choices=3, attempt=2)
    call.mark_first_token()
    row = call.close(CallOutcome.OK, Usage(10, 4, 7), is_exact=True)
    assert (row.started_s, row.ttft_s, row.seconds) == (1.0, 0.5, 3.0)
    assert (row.role, row.num_choices, row.attempt) == (Role.SOLVER, 3, 2)
    assert told == ledger.calls == [row]


def test_only_the_first_token_counts() -> None:
    times = iter([0.0, 0.0, 1.0, 9.0])
    call = Ledger(clock=lambda: next(times)).open(Role.JUDGE, "m")
    call.mark_first_token()
    call.mark_first_token()
    assert call.close(CallOutcome.CANCELLED, Usage(), is_exact=False).ttft_s == 1.0


def test_a_call_is_closed_once() -> None:
    call = Ledger().open(Role.JUDGE, "m")
    call.close(CallOutcome.OK, Usage(), is_exact=True)
    with pytest.raises(AssertionError, match="closed once"):
        call.close(CallOutcome.OK, Usage(), is_exact=True)


def test_totals_add_up_and_say_when_they_are_a_lower_bound() -> None:
    ledger = Ledger()
    ledger.open(Role.PLANNER, "m").close(CallOutcome.OK, Usage(10, 2, 5, 1, 8, 3), is_exact=True)
    ledger.open(Role.SOLVER, "m").close(CallOutcome.CANCELLED, Usage(20, 0, 7), is_exact=False)
    ledger.open(Role.JUDGE, "m").close(CallOutcome.TIMEOUT, Usage(), is_exact=True, error="slow")
    totals = ledger.totals()
    assert (totals.num_calls, totals.num_failed, totals.num_cancelled, totals.is_exact) == (3, 1, 1, False)
    assert totals.usage == Usage(30, 2, 12, 1, 8, 3)
    assert totals.usage.total_tokens == 42


def test_unknown_drafts_stay_unknown() -> None:
    assert sum_usage([Usage(), Usage()]).draft_tokens is None
    assert sum_usage([]) == Usage()


def test_what_a_server_says_of_its_seconds_stands_in_the_row_and_its_last_word_counts() -> None:
    ledger = Ledger()
    silent, telling = ledger.open(Role.SOLVER, "m"), ledger.open(Role.SOLVER, "m")
    telling.note_server_times(ServerTimes(queue_s=0.5))
    telling.note_server_times(ServerTimes(queue_s=0.25, total_s=2.0))
    silent.close(CallOutcome.OK, Usage(), is_exact=True)
    telling.close(CallOutcome.OK, Usage(), is_exact=True)
    assert [call.server_times for call in ledger.calls] == [None, ServerTimes(0.25, None, None, 2.0)]
