"""Who meets whom, and who goes on."""

from hypothesis import given
from hypothesis import strategies as st

from abruzzi.nouns import Candidate, DecidedBy, FinishReason
from abruzzi.reasoning.tournament import Contender, pair_up, settle


def contender(index: int, size: int = 1, logprob: float | None = None) -> Contender:
    return Contender(Candidate(index, "t", "", "a", FinishReason.STOP, index, 1.0, mean_logprob=logprob), size)


def test_the_strongest_meets_the_weakest_and_rests_when_the_number_is_odd() -> None:
    pairs, byes = pair_up([contender(0), contender(1, size=2), contender(2)])
    assert [c.speaker.index for c in byes] == [1]
    assert [(a.speaker.index, b.speaker.index) for a, b in pairs] == [(0, 2)]


@given(st.integers(1, 40))
def test_k_contenders_take_k_minus_1_matches_in_log2_k_rounds(k: int) -> None:
    contenders, num_matches, num_rounds = [contender(i) for i in range(k)], 0, 0
    while len(contenders) > 1:
        pairs, contenders = pair_up(contenders)
        contenders += [settle(a, b, None)[0] for a, b in pairs]
        num_matches += len(pairs)
        num_rounds += 1
    assert (num_matches, num_rounds) == (k - 1, (k - 1).bit_length())


def test_the_judge_outranks_size_likelihood_and_order() -> None:
    strong, weak = contender(0, 2, -0.1), contender(1, 1, -0.9)
    assert settle(strong, weak, 1) == (weak, DecidedBy.JUDGE)
    assert settle(strong, weak, None) == (strong, DecidedBy.CLUSTER_SIZE)
    assert settle(contender(0, 1, -0.9), contender(1, 1, -0.1), None)[1] is DecidedBy.LIKELIHOOD
    assert settle(contender(0, 1, -0.9), contender(1, 1, -0.1), None)[0].speaker.index == 1
    assert settle(contender(1), contender(0), None) == (contender(0), DecidedBy.FIRST)
    assert settle(contender(0, 1, -0.9), contender(1), None) == (contender(0, 1, -0.9), DecidedBy.FIRST)
