"""Measures a judge on pairs of a right and a wrong reply, each asked in both orders; and what it has to beat.

Baselines on the same pairs: the majority of the item's other replies (which answer has more of them), and likelihood
(which reply has the higher mean log-probability). A judge that is worth its calls beats both; one that always names the
first reply has an accuracy of one half and flips every time.

The pairs show each wrong answer once, however often it was given, so these figures compare choosers with each other.
What the pipeline gains is for evaluation to measure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from abruzzi.errors import DataError
from abruzzi.reasoning.judge import read_judge_reply
from abruzzi.reasoning.settings import JudgeReads
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.intervals import clustered_mean
from abruzzi.statistics.paired import paired_difference
from abruzzi.training.judge_data import Answered, Pair, Place, ask_about, draw_mark
from abruzzi.training.sampling import Ask

ORDERS: tuple[Place, Place] = ("first", "second")
"""Where the right reply is shown."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What one way of choosing makes of the pairs."""

    scores: tuple[float, ...]
    """One per pair: 1 where it chooses the right reply, 0 the wrong one, ½ where it cannot tell."""
    accuracy: Estimate
    """Their mean, clustered by item."""
    by_family: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class PairVotes:
    """What a judge said of a pair."""

    item: str
    family: str
    verdicts: tuple[str | None, str | None]
    """With the right reply first, then second: ``first``, ``second``, ``tie``, or None where there is no verdict."""

    @property
    def is_right(self) -> tuple[bool, bool]:
        """Whether each vote names the right reply."""
        return self.verdicts[0] == "first", self.verdicts[1] == "second"

    @property
    def score(self) -> float:
        """As the pipeline takes it: both orders decide together, and whatever they leave open is a coin's throw."""
        if all(self.is_right):
            return 1.0
        return 0.0 if self.verdicts == ("second", "first") else 0.5


@dataclass(frozen=True, slots=True)
class JudgeScore:
    """How good a judge is; all intervals are clustered by item."""

    choices: Choices
    """Both orders taken together."""
    votes_right: Estimate
    """Share of votes that name the right reply; ties and votes without a verdict do not."""
    flip_rate: Estimate | None
    """Share of pairs whose two verdicts name different replies, of those with two; None where none has."""
    first_share: Estimate | None
    """Share of verdicts for the reply shown first, ties left out; one half is unmoved by position."""
    unparsed: Estimate
    """Share of votes without a verdict."""
    num_ties: int
    votes: tuple[PairVotes, ...]


def judge_accuracy(pairs: Sequence[Pair], ask: Ask, *, reads: JudgeReads = "thoughts", seed: int = 0) -> JudgeScore:
    """Have a judge compare held-out pairs.

    Args:
        pairs: see ``judge_data.draw_pairs``; of items that the judge was not taught.
        ask: the judge; asked about all pairs at once.
        reads: what it is shown of each reply.
        seed: of the marks.

    Raises:
        DataError: there is no pair, or not a reply to each request.
    """
    if not pairs:
        raise DataError("there is no pair to judge; sample more replies of the held-out items")
    requests = [
        ask_about(pair, right_is, mark=draw_mark(seed, "measure", number), reads=reads)
        for number, pair in enumerate(pairs)
        for right_is in ORDERS
    ]
    replies = ask(requests)
    if len(replies) != len(requests):
        raise DataError(f"the judge gave {len(replies)} replies to {len(requests)} requests; it must give one to each")
    verdicts = [reply.verdict if (reply := read_judge_reply(text)) else None for text in replies]
    votes = tuple(
        PairVotes(pair.item.id, pair.family, two)
        for pair, two in zip(pairs, zip(verdicts[::2], verdicts[1::2], strict=True), strict=True)
    )
    return _score(pairs, votes)


def choose_by_majority(pairs: Sequence[Pair], answered: Iterable[Answered]) -> Choices:
    """Choose the answer that more of the item's replies give, the pair's own included.

    Args:
        pairs: of these items.
        answered: all replies to each item.
    """
    replies = {one.item.id: one.replies for one in answered}

    def score(pair: Pair) -> float:
        own = replies.get(pair.item.id, ())
        answer = pair.wrong.answer.casefold()
        num_right = sum(reply.is_correct for reply in own)
        num_wrong = sum(not reply.is_correct and reply.answer.casefold() == answer for reply in own)
        return _compare(num_right, num_wrong)

    return _choose(pairs, [score(pair) for pair in pairs])


def choose_by_likelihood(pairs: Sequence[Pair]) -> Choices | None:
    """Choose the reply with the higher mean log-probability; None where a reply has none."""
    scores: list[float] = []
    for pair in pairs:
        if pair.right.mean_logprob is None or pair.wrong.mean_logprob is None:
            return None
        scores.append(_compare(pair.right.mean_logprob, pair.wrong.mean_logprob))
    return _choose(pairs, scores)


def compare_choices(pairs: Sequence[Pair], first: Choices, second: Choices) -> Estimate:
    """Estimate by how much one way of choosing is right more often than another, on the same pairs."""
    ours, theirs = (_by_item(pairs, choices.scores) for choices in (first, second))
    return paired_difference(ours, theirs)


def _score(pairs: Sequence[Pair], votes: tuple[PairVotes, ...]) -> JudgeScore:
    num_ties = sum(verdict == "tie" for vote in votes for verdict in vote.verdicts)

    def mean(values_of: Callable[[PairVotes], list[bool]]) -> Estimate | None:
        by_item: dict[str, list[float]] = {}
        for vote in votes:
            by_item.setdefault(vote.item, []).extend(map(float, values_of(vote)))
        values = [found for found in by_item.values() if found]
        return clustered_mean(values) if values else None

    votes_right = mean(lambda vote: list(vote.is_right))
    unparsed = mean(lambda vote: [verdict is None for verdict in vote.verdicts])
    assert votes_right is not None, "every pair has two votes"
    assert unparsed is not None, "every pair has two votes"
    return JudgeScore(
        choices=_choose(pairs, [vote.score for vote in votes]),
        votes_right=votes_right,
        flip_rate=mean(lambda vote: [vote.verdicts[0] == vote.verdicts[1]] if set(vote.verdicts) <= {*ORDERS} else []),
        first_share=mean(lambda vote: [verdict == "first" for verdict in vote.verdicts if verdict in ORDERS]),
        unparsed=unparsed,
        num_ties=num_ties,
        votes=votes,
    )


def _choose(pairs: Sequence[Pair], scores: Sequence[float]) -> Choices:
    families = dict.fromkeys(pair.family for pair in pairs)
    own = {family: [place for place, pair in enumerate(pairs) if pair.family == family] for family in families}
    return Choices(
        scores=tuple(scores),
        accuracy=clustered_mean(_by_item(pairs, scores)),
        by_family={
            family: clustered_mean(_by_item([pairs[p] for p in places], [scores[p] for p in places]))
            for family, places in own.items()
        },
    )


def _by_item(pairs: Sequence[Pair], scores: Sequence[float]) -> list[list[float]]:
    by_item: dict[str, list[float]] = {}
    for pair, score in zip(pairs, scores, strict=True):
        by_item.setdefault(pair.item.id, []).append(score)
    return list(by_item.values())


def _compare(right: float, wrong: float) -> float:
    return 0.5 if right == wrong else float(right > wrong)
