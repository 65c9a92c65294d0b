"""Collecting a step's rollouts, with a sampler and a verifier by script: what is kept, dropped, refilled, counted."""

from collections import Counter
from collections.abc import Iterable
from itertools import cycle
from typing import Any

import pytest

from abruzzi.nouns import Outcome
from abruzzi.training.grpo.collect import Batch, Scored, collect, score_group, update_share
from abruzzi.training.grpo.rollouts import RolloutGroup
from abruzzi.training.grpo.stream import PromptStream
from abruzzi.training.recipe import GrpoSettings
from abruzzi.training.scratch import make_tokenizer
from tests.training.toys import TEXTS, ScriptedSampler, grpo_settings, make_prompts, verify_letters

TOKENIZER = make_tokenizer(TEXTS)
PROMPTS = make_prompts(TOKENIZER, 50)


def gather(
    script: Iterable[str], settings: GrpoSettings, *, share: float = 1.0, seed: int = 7
) -> tuple[Batch, ScriptedSampler, PromptStream]:
    sampler = ScriptedSampler(TOKENIZER, script)
    stream = PromptStream(PROMPTS, seed=1)
    batch = collect(stream, sampler, TOKENIZER, settings, seed=seed, share=share, verify=verify_letters)
    return batch, sampler, stream


def score(letters: str, **changes: Any) -> Scored:
    """One group's rewards and advantages."""
    batch, *_ = gather([letters], grpo_settings(prompts_per_step=1, max_rounds=1, **changes))
    return batch.scored[0]


def texts(scored: Scored) -> str:
    return "".join(rollout.text for rollout in scored.group.rollouts)


def test_rewards_and_advantages_by_hand() -> None:
    # mean 1/4; deviation with n − 1: sqrt((9/16 + 3 · 1/16) / 3) = 1/2
    scored = score("wrww")
    assert scored.rewards_G == (0.0, 1.0, 0.0, 0.0)
    assert scored.advantages_G == pytest.approx((-0.5, 1.5, -0.5, -0.5))
    assert score("wrww", advantage_scale="none").advantages_G == pytest.approx((-0.25, 0.75, -0.25, -0.25))


def test_what_has_no_verdict_is_masked_and_counted_and_never_a_0() -> None:
    scored = score("rtwe", advantage_scale="none")
    assert scored.mask_G == (True, False, True, False)
    # The baseline is that of the two that were judged: 1/2, and not 1/4.
    assert scored.advantages_G == pytest.approx((0.5, 0.0, -0.5, 0.0))
    batch, *_ = gather(["rtwe", "rrtu"], grpo_settings())
    assert batch.outcomes == Counter(
        {Outcome.CORRECT: 3, Outcome.WRONG: 1, Outcome.TIMEOUT: 2, Outcome.ERROR: 1, Outcome.UNPARSED: 1}
    )


@pytest.mark.parametrize("letters", ["rrrr", "wwww", "wuwc", "tete", "rtte", "rrte", "cccc"])
def test_a_group_whose_rewards_are_equal_teaches_nothing(letters: str) -> None:
    scored = score(letters)
    assert scored.advantages_G == (0.0, 0.0, 0.0, 0.0)
    assert not scored.is_informative


def test_what_was_cut_is_unsolved_in_the_baseline() -> None:
    scored = score("rccc", advantage_scale="none")
    assert scored.mask_G == (True, True, True, True)
    assert scored.rewards_G == (1.0, 0.0, 0.0, 0.0)
    assert scored.advantages_G == pytest.approx((0.75, -0.25, -0.25, -0.25))


def test_dropped_groups_are_refilled_from_the_stream() -> None:
    # 2 wanted. Round 1: 2 asked, 1 teaches. Round 2: 1 asked, none. Round 3: 1 asked, 1 teaches.
    batch, sampler, stream = gather(["rrrr", "rwww", "wwww", "wwrr"], grpo_settings())
    assert sampler.asked == [2, 1, 1]
    assert [texts(scored) for scored in batch.used] == ["rwww", "wwrr"]
    assert [texts(scored) for scored in batch.scored] == ["rrrr", "rwww", "wwww", "wwrr"]
    assert (batch.num_rounds, stream.position, len(batch.rollouts)) == (3, 4, 16)
    asked = [scored.group.prompt.item.id for scored in batch.scored]
    assert asked == [prompt.item.id for prompt in PromptStream(PROMPTS, seed=1).take(4)]
    assert len(set(sampler.seeds)) == 3, "each round draws anew"


def test_rounds_end() -> None:
    batch, sampler, _ = gather(cycle(["wwww"]), grpo_settings(max_rounds=3))
    assert sampler.asked == [2, 2, 2]
    assert batch.used == []
    assert len(batch.scored) == 6


def test_how_many_are_asked_follows_from_the_share_that_taught() -> None:
    everything = cycle(["rwww"])
    # 4 wanted, half of what is asked teaches: 8 asked, and what is more than enough is used.
    batch, sampler, _ = gather(everything, grpo_settings(prompts_per_step=4), share=0.5)
    assert sampler.asked == [8]
    assert len(batch.used) == 8
    # ⌈4 / 0.3⌉ = 14
    assert gather(everything, grpo_settings(prompts_per_step=4), share=0.3)[1].asked == [14]
    # However little taught: 4 / 0.2, and no more.
    assert gather(everything, grpo_settings(prompts_per_step=4), share=0.0)[1].asked == [20]


def test_without_dynamic_sampling_there_is_one_round_of_the_prompts_wanted() -> None:
    batch, sampler, _ = gather(["rrrr", "rwww"], grpo_settings(dynamic_sampling=False), share=0.2)
    assert sampler.asked == [2]
    assert [texts(scored) for scored in batch.used] == ["rwww"]


def test_share_by_hand() -> None:
    batch, *_ = gather(["rrrr", "rwww", "wwww", "wwrr"], grpo_settings())
    # Half of the four groups taught: 0.8 · 0.9 + 0.2 · 0.5
    assert update_share(0.9, batch) == pytest.approx(0.82)
    assert update_share(0.9, Batch()) == 0.9


def test_the_control_deals_the_same_verdicts_anew() -> None:
    script = ["rwte", "rruc", "wwww", "rrrr", "rcwt"] * 4
    settings = grpo_settings(prompts_per_step=20, max_rounds=1)
    plain, *_ = gather(script, settings)
    control, *_ = gather(script, settings.model_copy(update={"shuffle_rewards": True}))
    again, *_ = gather(script, settings.model_copy(update={"shuffle_rewards": True}))
    other, *_ = gather(script, settings.model_copy(update={"shuffle_rewards": True}), seed=8)

    def verdicts(batch: Batch) -> list[str]:
        return [rollout.verdict.reason for rollout in batch.rollouts]

    assert [rollout.sampled for rollout in control.rollouts] == [rollout.sampled for rollout in plain.rollouts]
    assert Counter(verdicts(control)) == Counter(verdicts(plain))
    assert verdicts(control) != verdicts(plain)
    assert verdicts(again) == verdicts(control) != verdicts(other)
    # Rewards follow the dealt verdicts, over the bounds of groups: what was all right is so no longer.
    assert any(not scored.is_informative for scored in plain.scored)
    assert control.scored[3].rewards_G != (1.0, 1.0, 1.0, 1.0)
    assert sum(sum(scored.rewards_G) for scored in control.scored) == 4 * 8


def test_texts_are_decoded_without_special_tokens() -> None:
    batch, *_ = gather(["rwcu", "rwcu"], grpo_settings())
    rollouts = batch.scored[0].group.rollouts
    assert [rollout.text for rollout in rollouts] == ["r", "w", "c", "u"]
    assert [rollout.is_truncated for rollout in rollouts] == [False, False, True, False]
    assert rollouts[0].sampled.ids[-1] == TOKENIZER.eos_token_id


def test_seconds_are_told_apart() -> None:
    ticks = iter([0.0, 3.0, 10.0, 100.0, 102.0, 104.5])
    batch = collect(
        PromptStream(PROMPTS, seed=1),
        ScriptedSampler(TOKENIZER, ["rrrr", "rwww", "rwww"]),
        TOKENIZER,
        grpo_settings(),
        seed=1,
        share=1.0,
        verify=verify_letters,
        clock=lambda: next(ticks),
    )
    assert (batch.sampling_s, batch.verifying_s) == (5.0, 9.5)


def test_a_group_may_be_scored_by_itself() -> None:
    group = score("rwww").group
    half = RolloutGroup(group.prompt, group.rollouts[:2])
    assert score_group(half, grpo_settings(advantage_scale="none")).advantages_G == pytest.approx((0.5, -0.5))
