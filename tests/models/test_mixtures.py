"""Whatever mixture of faults an endpoint answers with, the contract holds and no call goes unrecorded."""

import random

import pytest

from abruzzi.ledger import CallOutcome
from abruzzi.models.retry import RetryPolicy
from abruzzi.nouns import FinishReason
from tests.faultserver import Action, FaultServer, Said, Seen, Slam, Traits, UsageStyle, overflow, refuse, say, web_page
from tests.models.asking import ask, request

STYLES: list[UsageStyle] = ["total", "per_choice", "running", "running_only", "running_total", "none"]
TEXTS = ["a b c", "<think>x y</think>z", "late</think>w", "", "<think>never closed"]


def draw_action(rng: random.Random) -> Action:
    """A good answer half of the time, else some fault."""
    choices = [Said(rng.choice(TEXTS), reasoning=rng.choice(["", "", "deep thought"])) for _ in range(3)]
    faults: list[Action] = [
        refuse(500),
        refuse(429, retry_after=rng.choice(["1", "9999"])),
        refuse(400, "odd"),
        refuse(404),
        overflow("vllm"),
        web_page(),
        web_page(503),
        Slam(),
        say(*choices, cut_after=rng.randint(0, 5)),
        say(*choices, stop_after=rng.randint(0, 5)),
        say(*choices, error_after=rng.randint(0, 5)),
        say(*choices, garbage_after=rng.randint(0, 5)),
        say(*choices, num_given=rng.randint(0, 2)),
    ]
    return say(*choices) if rng.random() < 0.5 else rng.choice(faults)


@pytest.mark.parametrize("seed", range(30))
def test_the_contract_holds(seed: int) -> None:
    rng = random.Random(seed)
    usage = rng.choice(STYLES)
    traits = Traits(max_n=rng.choice([None, None, 1, 2]), refuses_n_above=rng.choice([None, None, 2]), usage=usage)

    def act(_: Seen) -> Action:
        return draw_action(rng)

    with FaultServer(act, traits) as server:
        requests = [request(n=rng.randint(1, 4), seed=seed) for _ in range(3)]
        outcomes = ask(server, *requests, policy=RetryPolicy(max_tries=3))
    calls = [call for asked in outcomes for call in asked.ledger.calls]
    assert len(calls) == len(server.records)
    assert not any(call.outcome in (CallOutcome.CANCELLED, CallOutcome.TIMEOUT) for call in calls)
    for asked, one in zip(outcomes, requests, strict=True):
        asked.check_contract(one.n)
        assert all((c.error is None) == (c.finish_reason is not FinishReason.ERROR) for c in asked.completions)
    billed = sum(call.usage.completion_tokens for call in calls)
    if all(call.is_exact for call in calls):
        assert billed == server.completion_tokens
    else:
        assert billed <= server.completion_tokens
