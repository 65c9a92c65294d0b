"""The reward that verl calls: our verifiers, the same that evaluate and answer.

verl loads it by ``reward.custom_reward_function.path=pkg://abruzzi.training.scale.verl_reward`` and awaits it once per
rollout, in reward workers that are Ray actors, one a node; each has our pool of killable processes, one a core. Reward
managers of verl's own registry can stay as they are: ``naive`` awaits a coroutine, decodes the reply and carries every
number of the result into the curves.

A verifier that times out or breaks says nothing about the rollout. verl has no word for that: a reward is a number,
and its own time limits make it 0. But a rollout whose reward raises never enters verl's queue: the group goes on
without it, mean and deviation are those of its siblings, no token of it is in the loss or in the loss's denominator,
and the batch is filled up with rows that carry no loss. So it is raised here, after a line was written to
``unjudged_dir``, because verl itself counts such rollouts only in its log. The result names no ``acc`` on purpose: for
sources that have it verl's validation counts missing rollouts as 0.

What remains, of verl 0.9.1: a group with one judged rollout left has that reward itself as its advantage and not 0;
with ``filter_groups`` a group that lost a rollout is kept though all its rewards are equal; and the reward sees the
text but not why it ended, so a reply cut at its limit is judged by what it says (thoughts that never end hold no
answer).
"""

import json
import os
import socket
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from abruzzi.errors import DataError, RecordError, VerifierError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.training.grpo.rollouts import JUDGED
from abruzzi.training.scale.verl_data import Truth, read_truth
from abruzzi.training.scale.verl_grader import OpenModel, grade, open_model
from abruzzi.verifiers import Row, verify_async
from abruzzi.verifiers.graded import needs_grader


class Verify(Protocol):
    """``verifiers.verify_async``, or a double."""

    async def __call__(
        self,
        response: str,
        ground_truth: object,
        *,
        data_source: str,
        extra: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Verdict:
        """Verify one response."""
        ...


async def compute_reward(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any],
    *,
    grader: str | None = None,
    unjudged_dir: str | None = None,
    timeout_s: float | None = None,
    verify: Verify = verify_async,
    open_grader: OpenModel = open_model,
) -> dict[str, float | str]:
    """Reward one rollout, by the names that verl passes.

    Args:
        data_source: of the row; routes to the verifier.
        solution_str: the whole reply, without special tokens.
        ground_truth: JSON text, of ``verl_data``.
        extra_info: of the row, with what verl adds to it.
        grader: endpoint of a model that decides about free text; None leaves that without a reward.
        unjudged_dir: folder for what could not be judged, a file per process; None writes nothing.
        timeout_s: wall limit; None takes the domain's own.
        verify: who verifies.
        open_grader: opens the grader.

    Returns:
        ``score``, 1 for a correct answer, else 0; ``partial``, the verifier's own score in [0, 1]; ``unparsed``, 1
        where no answer was found; ``verify_s``; ``grader_tokens``; ``outcome``.

    Raises:
        VerifierError: the verifier timed out or broke, so that there is no reward.
        DataError: the row is none of ours, or its data source is unknown.
    """
    truth = read_truth(data_source, ground_truth, extra_info)
    verdict = await verify(
        solution_str, truth.ground_truth, data_source=data_source, extra=truth.extra, timeout_s=timeout_s
    )
    grader_tokens = 0
    if grader is not None:
        row = Row(truth.id, data_source, solution_str, truth.ground_truth, truth.extra)
        if needs_grader(row, "fixed", verdict):
            verdict, grader_tokens = await grade(row, grader, open_grader)
    if verdict.outcome not in JUDGED:
        if unjudged_dir is not None:
            _record_unjudged(Path(unjudged_dir), truth, verdict)
        raise VerifierError(f"{truth.id!r} of {data_source!r} has no reward: {verdict.outcome}: {verdict.reason}")
    return {
        "score": 1.0 if verdict.outcome is Outcome.CORRECT else 0.0,
        "partial": verdict.score,
        "unparsed": 1.0 if verdict.outcome is Outcome.UNPARSED else 0.0,
        "verify_s": verdict.seconds,
        "grader_tokens": float(grader_tokens),
        "outcome": verdict.outcome.value,
    }


def count_unjudged(folder: Path) -> Counter[tuple[str, str]]:
    """Count the rollouts that had no reward.

    Args:
        folder: what ``unjudged_dir`` was; one that is not there holds none.

    Returns:
        ``(data_source, outcome)`` → how many.

    Raises:
        DataError: a line is broken.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                counts[row["data_source"], row["outcome"]] += 1
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}, line {number} is broken: {error}; was the node killed while writing?"
                ) from error
    return counts


def _record_unjudged(folder: Path, truth: Truth, verdict: Verdict) -> None:
    row = {
        "id": truth.id,
        "data_source": truth.data_source,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 3),
    }
    path = folder / f"{socket.gethostname()}-{os.getpid()}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror or error}") from error
