"""Read the engine's own token counters, which a ledger has to agree with.

What llama.cpp (build b11549) counts on ``/metrics``, read in its source and measured against its slot log over 120
requests with n of 1 to 3, 70% of them cut off at a random point; all 120 agreed to the token:

- ``prompt_tokens_total``: prompt tokens computed, batch by batch, so a prompt cut off half-way counts as far as it
  came. Cached tokens are not in it. The prompt of a request for n completions counts once.
- ``prompt_tokens_cached_total``: prompt tokens taken from the cache; once per request.
- ``tokens_predicted_total``: tokens sampled, the end-of-text token included. Added when a completion's slot is freed,
  whether it finished, failed or was cancelled: cancelled requests are not missed.
- A request that is refused, or is cancelled while it waits for a slot, counts nothing.

Hence, over a session: the ledger's ``prompt_tokens`` (cached ones included, once per request) equal computed plus
cached, and its ``completion_tokens`` (summed over choices) equal those sampled.

A client cannot know from its stream what a cancelled request cost: the engine samples up to two more tokens per choice
before it notices (and computes up to one more batch of prompt), and sends them to nobody. The counters know, as soon
as ``num_busy_slots`` shows that the slots are free: what they gained beyond the requests accounted for is its cost.

One limit: the counters are printed with six significant digits, so they are exact only below a million.
"""

from dataclasses import dataclass

from abruzzi.engine import loopback
from abruzzi.engine.process import Engine
from abruzzi.errors import ProtocolError

_PREFIX = "llamacpp:"
_EXACT_BELOW = 1_000_000


@dataclass(frozen=True, slots=True)
class EngineCounters:
    """Totals since the engine's process started; all zero again after a restart."""

    prompt_tokens: int
    """Prompt tokens, the cached ones included, once per request."""
    cached_tokens: int
    completion_tokens: int
    """Sampled tokens of completions that ended, however they ended."""
    draft_tokens: int
    accepted_tokens: int
    num_busy_slots: int
    """Completions being computed now; theirs are not among ``completion_tokens`` yet."""
    num_waiting: int
    """Requests that wait for a slot."""
    process_id: str
    """Changes when the engine was started anew."""
    is_exact: bool
    """False once a counter is too large to be printed exactly."""


def read_counters(engine: Engine, *, timeout_s: float = 10.0) -> EngineCounters:
    """Ask the engine for its counters; cheap, and answered while it decodes.

    Raises:
        UnreachableError: it is down or being started again.
        ProtocolError: it answered with something else.
    """
    reply = loopback.get(engine.base_url, "/metrics", api_key=engine.api_key, timeout_s=timeout_s)
    try:
        if reply.status != 200:
            raise ValueError(f"HTTP {reply.status}")
        return parse_counters(reply.body, process_id=reply.headers.get("process-start-time-unix", ""))
    except (ValueError, KeyError) as error:
        raise ProtocolError(f"{engine.base_url} gave no counters ({error!r}): {reply.body[:200]!r}") from error


def parse_counters(text: str, *, process_id: str) -> EngineCounters:
    """Parse llama.cpp's Prometheus text.

    Raises:
        ValueError: a value is not a number.
        KeyError: a counter is missing.
    """
    lines = [line.removeprefix(_PREFIX).split() for line in text.splitlines() if line.startswith(_PREFIX)]
    values = {line[0]: float(line[1]) for line in lines if len(line) == 2}
    computed, cached, sampled = (
        values[name] for name in ("prompt_tokens_total", "prompt_tokens_cached_total", "tokens_predicted_total")
    )
    return EngineCounters(
        prompt_tokens=int(computed + cached),
        cached_tokens=int(cached),
        completion_tokens=int(sampled),
        draft_tokens=int(values["spec_decode_num_draft_tokens_total"]),
        accepted_tokens=int(values["spec_decode_num_accepted_tokens_total"]),
        num_busy_slots=int(values["requests_processing"]),
        num_waiting=int(values["requests_deferred"]),
        process_id=process_id,
        is_exact=max(computed, cached, sampled) < _EXACT_BELOW,
    )
