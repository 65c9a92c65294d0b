"""The estimators by hand, their expectations and the expectations of their gradients over a whole vocabulary."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from abruzzi.errors import DataError
from abruzzi.training.grpo.kl import k1, k2, k3, kl_penalty
from tests.training.grpo.untyped import back_propagate, values

P_V = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
Q_V = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
OLD_V = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)

logprobs = st.floats(-20, 0)


def kl(p_V: Tensor, q_V: Tensor) -> Tensor:
    return (p_V * (p_V / q_V).log()).sum()


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(loss, logits)[0]


@pytest.fixture
def logits() -> Tensor:
    """Make the logits whose softmax is P_V."""
    return P_V.log().requires_grad_()


def test_by_hand() -> None:
    # p = 1/2, q = 1/4: d = ln 2 = 0.693147; d²/2 = 0.240227; q/p − 1 + d = 0.5 − 1 + 0.693147 = 0.193147
    p_T, q_T = torch.tensor([log(0.5)]), torch.tensor([log(0.25)])
    assert k1(p_T, q_T).item() == pytest.approx(0.693147, abs=1e-6)
    assert k2(p_T, q_T).item() == pytest.approx(0.240227, abs=1e-6)
    assert k3(p_T, q_T).item() == pytest.approx(0.193147, abs=1e-6)
    # the other way round: d = −0.693147; q/p − 1 + d = 2 − 1 − 0.693147 = 0.306853
    assert k1(q_T, p_T).item() == pytest.approx(-0.693147, abs=1e-6)
    assert k3(q_T, p_T).item() == pytest.approx(0.306853, abs=1e-6)


def test_k1_and_k3_are_unbiased_and_k2_is_not() -> None:
    # 0.5 ln 2.5 + 0.3 ln 1.5 + 0.2 ln (1/3) = 0.458145 + 0.121640 − 0.219722 = 0.360063
    exact = kl(P_V, Q_V).item()
    assert exact == pytest.approx(0.360063, abs=1e-6)
    means = [(P_V * estimate(P_V.log(), Q_V.log())).sum().item() for estimate in (k1, k2, k3)]
    # k2: 0.5 · 0.419794 + 0.3 · 0.082201 + 0.2 · 0.603474 = 0.355252
    assert means == pytest.approx([exact, 0.355252, exact], abs=1e-6)


def test_k3_varies_less_than_k1() -> None:
    variances = [(P_V * (estimate(P_V.log(), Q_V.log()) - kl(P_V, Q_V)) ** 2).sum() for estimate in (k1, k3)]
    assert variances[1] < variances[0] / 2


def test_the_expected_gradients_are_those_of_nothing_of_kl_and_of_the_other_kl(logits: Tensor) -> None:
    # the tokens are the policy's own; how often each is sampled has no gradient
    found = [gradient((P_V * f(logits.log_softmax(0), Q_V.log())).sum(), logits) for f in (k1, k2, k3)]
    reverse_V = gradient(kl(logits.softmax(0), Q_V), logits)
    forward_V = gradient(kl(Q_V, logits.softmax(0)), logits)
    torch.testing.assert_close(found, [torch.zeros_like(reverse_V), reverse_V, forward_V])
    assert not torch.allclose(reverse_V, forward_V, atol=1e-2)


def test_weighed_by_the_ratio_the_penalty_has_value_and_gradient_of_kl_at_an_older_policys_tokens(
    logits: Tensor,
) -> None:
    penalty = kl_penalty(logits.log_softmax(0), Q_V.log(), OLD_V, old_logprobs_T=OLD_V.log())
    exact = kl(logits.softmax(0), Q_V)
    torch.testing.assert_close(penalty, exact)
    torch.testing.assert_close(gradient(penalty, logits), gradient(exact, logits))


def test_the_unweighed_penalty_has_neither_at_an_older_policys_tokens(logits: Tensor) -> None:
    penalty = kl_penalty(logits.log_softmax(0), Q_V.log(), OLD_V)
    assert abs(penalty.item() - kl(P_V, Q_V).item()) > 0.01


def test_penalty_by_hand() -> None:
    # the tokens of test_by_hand, weighing 1/2 and 1/4: 0.193147 / 2 + 0.306853 / 4 = 0.173287; weight 0 is not read
    policy_T = torch.tensor([log(0.5), log(0.25), float("nan")], requires_grad=True)
    reference_T = torch.tensor([log(0.25), log(0.5), float("nan")])
    penalty = kl_penalty(policy_T, reference_T, torch.tensor([0.5, 0.25, 0]))
    assert penalty.item() == pytest.approx(0.173287, abs=1e-6)
    # d k3 / d policy = 1 − q/p: 0.5 · (1 − 1/2) and 0.25 · (1 − 2)
    back_propagate(penalty)
    assert policy_T.grad is not None
    assert values(policy_T.grad) == pytest.approx([0.25, -0.25, 0])


@given(logprobs, logprobs)
def test_k2_and_k3_are_never_negative_and_all_are_zero_at_equality(p: float, q: float) -> None:
    p_T, q_T = torch.tensor([p]), torch.tensor([q])
    assert k2(p_T, q_T) >= 0
    assert k3(p_T, q_T) >= 0
    assert k1(p_T, p_T) == k2(p_T, p_T) == k3(p_T, p_T) == 0


def test_k3_keeps_its_digits_where_the_two_are_close() -> None:
    # about d²/2 = 5e−7 and more, of which exp(−d) − 1 + d keeps no two digits in float32
    p_T, q_T = torch.full((20,), -1.0), -1 - torch.linspace(1e-3, 2e-3, 20)
    torch.testing.assert_close(k3(p_T, q_T).double(), k3(p_T.double(), q_T.double()), rtol=1e-3, atol=0)


def test_only_the_policys_logprobs_receive_a_gradient() -> None:
    policy_T, reference_T, weights_T, old_T = (torch.tensor([-1.0, -2.0], requires_grad=True) for _ in range(4))
    back_propagate(kl_penalty(policy_T, reference_T, weights_T, old_logprobs_T=old_T))
    assert [tensor.grad is not None for tensor in (policy_T, reference_T, weights_T, old_T)] == [True] + [False] * 3


def test_shapes_must_agree() -> None:
    with pytest.raises(DataError, match=r"\(2,\), \(1,\), \(2,\)"):
        kl_penalty(torch.zeros(2), torch.zeros(1), torch.ones(2))
