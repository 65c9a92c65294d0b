import pytest

from abruzzi.errors import ConfigError
from abruzzi.training.scale.estimate import Estimate, describe_estimate, estimate
from abruzzi.training.scale.settings import Scale
from tests.training.scale.large import grpo_scale, large_scale, read


def estimate_grpo(*changes: str, **machines: object) -> Estimate:
    return estimate(read("grpo", *changes), Scale(model=large_scale().model, grpo=grpo_scale(**machines)))


def test_the_large_sft_by_hand() -> None:
    result = estimate(read("sft"), large_scale())
    assert result.tokens_per_step == 512 * 32768
    assert result.steps == 2 * 542
    # 34.5 s a step (see test_duration), 1,084 of them.
    assert result.hours == pytest.approx(1084 * 34.5 / 3600, rel=0.01)
    assert result.fits


def test_the_large_sft_fits_no_second_pack() -> None:
    assert not estimate(read("sft", "sft.packs_per_device=2", "sft.accumulation=1"), large_scale()).fits


def test_a_limit_of_steps_holds() -> None:
    assert estimate(read("sft", "sft.max_steps=10"), large_scale()).steps == 10


def test_the_large_grpo_by_hand() -> None:
    result = estimate_grpo()
    # 256 prompts x 16 rollouts of 400 + 12,000 tokens.
    assert result.tokens_per_step == 4096 * 12400
    phases = dict(result.phases)
    # 5.08e7 tokens x (6 x 32.0e9 + 12 x 64 x 5120 x 6200) operations, on 128 GPUs at 35 % of 989e12.
    assert phases["update"] == pytest.approx(248, rel=0.01)
    assert phases["log-probabilities"] == pytest.approx(phases["update"] / 3)
    assert result.sampling is not None
    assert phases["sampling"] == result.sampling.seconds
    assert result.step_s == pytest.approx(sum(phases.values()))
    assert result.fits


def test_a_reference_costs_another_forward_pass() -> None:
    with_reference, without = (dict(estimate_grpo(f"grpo.kl_coef={coef}").phases) for coef in (0.001, 0.0))
    assert with_reference["log-probabilities"] == pytest.approx(2 * without["log-probabilities"])


def test_an_engine_that_has_no_room_does_not_fit() -> None:
    assert not estimate_grpo(tensor_parallel=1).fits


def test_a_stage_without_machines_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"table \[grpo\]"):
        estimate(read("grpo"), Scale(model=large_scale().model, sft=large_scale().sft))


def test_the_description_tells_what_fits_and_what_was_taken_on_trust() -> None:
    text = describe_estimate(estimate(read("sft"), large_scale()))
    assert "256 x H100 80GB SXM; estimated, not measured" in text
    assert "of 80 GB, fits (weights 0.5, gradients 0.5, optimiser 1.0" in text
    assert "run: 1,084 steps, 18.2B tokens, 10 hours" in text
    assert "taken on trust: 542 steps per epoch" in text


def test_the_description_tells_what_does_not_fit_and_what_sampling_waits_for() -> None:
    crowded = describe_estimate(estimate_grpo(tensor_parallel=1))
    assert "memory while sampling: " in crowded
    assert "DOES NOT FIT" in crowded
    assert "sampling lasts as long as the bulk of it" in describe_estimate(estimate_grpo())
    few = describe_estimate(estimate_grpo("grpo.prompts_per_step=4"))
    assert "sampling lasts as long as its longest completion" in few
