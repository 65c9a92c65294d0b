"""Acceptance from two models' probabilities: worked by hand, and the same through models."""

import math

import pytest
import torch

from abruzzi.training.acceptance import compare_logits, measure_acceptance
from abruzzi.training.tokens import Tokens
from tests.training.small import make_llama


def log(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor([[math.log(share) for share in row] for row in rows])


def test_shares_are_those_worked_by_hand() -> None:
    model = log((0.5, 0.3, 0.2), (0.1, 0.6, 0.3))
    draft = log((0.7, 0.2, 0.1), (0.2, 0.3, 0.5))
    found = compare_logits(model, draft)
    assert found.agreement_T == (1.0, 0.0)
    assert found.hit_T == pytest.approx((0.5, 0.3))
    assert found.overlap_T == pytest.approx((0.5 + 0.2 + 0.1, 0.1 + 0.3 + 0.3))


def test_logits_may_be_shifted() -> None:
    """A softmax forgets a constant, of each place its own."""
    model, draft = log((0.5, 0.3, 0.2)), log((0.7, 0.2, 0.1))
    assert compare_logits(model + 7, draft - 3).overlap_T == pytest.approx(compare_logits(model, draft).overlap_T)


def test_a_model_accepts_all_of_itself_greedily() -> None:
    model = make_llama(is_tied=True)
    text = Tokens((0, 5, 9, 7, 3, 1), (0, 0, 0, 1, 1, 1))
    ((found,),) = measure_acceptance(model, [model], [text])
    assert found.agreement_T == (1.0, 1.0, 1.0)
    assert found.overlap_T == pytest.approx((1.0, 1.0, 1.0))
    assert all(0 < hit < 1 for hit in found.hit_T)


def test_each_reply_token_is_foretold_from_the_text_before_it() -> None:
    model, draft = make_llama(is_tied=True), make_llama(is_tied=True, seed=3)
    text = Tokens((0, 5, 9, 7, 3, 1), (0, 0, 0, 1, 1, 1))
    found = measure_acceptance(model, [model, draft], [text, text])
    assert [len(entries) for entries in found] == [2, 2]
    with torch.no_grad():
        before = torch.tensor([[0, 5, 9, 7]])
        p, q = (one(before).logits[0, -1].double().softmax(-1) for one in (model, draft))
    assert found[1][0].overlap_T[1] == pytest.approx(torch.minimum(p, q).sum().item(), abs=1e-5)
    assert found[1][0].hit_T[1] == pytest.approx(p[q.argmax()].item(), abs=1e-5)
