"""Tokens drawn by inverting the cumulative distribution."""

import pytest
import torch

from abruzzi.training.grpo.drawing import draw_tokens
from tests.training.grpo.untyped import values


@pytest.mark.parametrize("vocabulary", [5, 64, 200])
def test_a_token_is_found_where_the_cumulative_distribution_passes_its_uniform(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(400, vocabulary, generator=generator) * 2
    logits[:, 1] = -torch.inf
    uniforms = torch.rand(400, dtype=torch.float64, generator=generator)
    ids, drawn = draw_tokens(logits, uniforms, 0.7)
    cumulative = (logits / 0.7).double().softmax(-1).cumsum(-1)
    wanted = [next(t for t in range(vocabulary) if row[t] > u) for row, u in zip(cumulative, uniforms, strict=True)]
    assert values(ids) == wanted
    assert torch.allclose(drawn, logits.log_softmax(-1)[range(400), wanted], atol=1e-5)


def test_no_uniform_however_large_draws_an_impossible_token() -> None:
    logits = torch.full((2, 300), -torch.inf)
    logits[:, 7], logits[0, 100] = 0.0, -1.0
    ids, _ = draw_tokens(logits, torch.tensor([1.0, 1.0], dtype=torch.float64), 1.0)
    assert values(ids) == [100, 7]
    ids, drawn = draw_tokens(logits, torch.zeros(2, dtype=torch.float64), 1.0)
    assert values(ids) == [7, 7]
    assert values(drawn) == pytest.approx([-0.313262, 0.0], abs=1e-6)  # ln(1 / (1 + 1/e))
