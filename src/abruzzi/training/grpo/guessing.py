"""The watch for guessing: is one answer given far more often than it is right?

A policy that gives the likeliest answer whatever is asked scores what that answer scores, and no single completion
shows it: each looks like a short, tidy reply. Over the prompts of a step it does show. Like the watch for hacks it
rewards nothing and proves nothing: a set in which one answer is mostly right looks the same from a policy that works.
So both shares are told, what is given and what is right. Where the first runs away from the second, cap the second
(``answer_share`` of a recipe's source).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from abruzzi.nouns import Outcome
from abruzzi.training.grpo.rollouts import RolloutGroup


@dataclass(frozen=True, slots=True)
class Guess:
    """The answer that a family's rollouts give most often."""

    answer: str
    given: float
    """Share of the rollouts that give it; each prompt counts alike."""
    right: float
    """Share of the prompts for which some rollout was right with it."""


def find_guesses(groups: Iterable[RolloutGroup]) -> dict[str, Guess]:
    """Find the most frequent answer of each family's rollouts; families without any answer are left out."""
    by_family: dict[str, list[RolloutGroup]] = {}
    for group in groups:
        by_family.setdefault(group.prompt.family, []).append(group)
    found = {family: _find_guess(own) for family, own in by_family.items()}
    return {family: guess for family, guess in found.items() if guess is not None}


def _find_guess(groups: list[RolloutGroup]) -> Guess | None:
    given, right = defaultdict[str, float](float), Counter[str]()
    for group in groups:
        answers = [
            (" ".join(r.verdict.extracted.split()), r.verdict.outcome) for r in group.rollouts if r.verdict.extracted
        ]
        for answer, _ in answers:
            given[answer] += 1 / len(group.rollouts)
        right.update({answer for answer, outcome in answers if outcome is Outcome.CORRECT})
    if not given:
        return None
    answer = max(sorted(given), key=lambda one: given[one])
    return Guess(answer, given[answer] / len(groups), right[answer] / len(groups))
