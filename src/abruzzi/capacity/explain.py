"""Says in words what a question waits for: the term that binds, and what would help against it."""

from collections.abc import Mapping

from abruzzi.capacity.question import QuestionTime, add
from abruzzi.capacity.roofline import PassTime, Term

TERMS: Mapping[Term, str] = {
    "matrix": "products of matrices",
    "attention": "attention's arithmetic",
    "weights": "reading the weights",
    "cache": "reading keys and values",
    "exchange": "exchange among devices",
    "fixed": "time that no layer and no pass goes without",
}
_HELP: Mapping[Term, str] = {
    "matrix": "more or faster devices help, a larger batch does not",
    "attention": "a shorter context helps, or more devices",
    "weights": "a larger batch, speculation or fewer bits per weight help",
    "cache": "a shorter context, fewer bits in the cache or more devices help",
    "exchange": "fewer devices a copy, a larger batch or speculation help",
    "fixed": "a larger batch or speculation help",
}


def shares(time: PassTime) -> dict[Term, float]:
    """Give each term's seconds as a share of the whole; what overlaps is counted in both, so they may exceed 1."""
    return {term: seconds / time.seconds for term, seconds in time.terms.items()}


def explain(question: QuestionTime) -> str:
    """Write what a question waits for, in a sentence or two."""
    longest = max(question.phases, key=lambda phase: phase.seconds)
    step = question.decode.pass_time
    part = shares(step)[step.bound]
    whole = add(*(phase.time for phase in question.phases))
    sentence = (
        f"{longest.name} takes {longest.seconds / question.seconds:.0%} of the {question.seconds:,.4g} s; a pass of "
        f"decoding takes {1e3 * step.seconds:,.3g} ms, {part:.0%} of it {TERMS[step.bound]}: {_HELP[step.bound]}"
    )
    if whole.bound != step.bound:
        sentence += f"; over the whole question it is {TERMS[whole.bound]}"
    return sentence + "."
