from abruzzi.data.items import Item
from abruzzi.nouns import FinishReason, Message, Outcome
from abruzzi.training.material import bare_messages, make_prompt
from abruzzi.training.sampling import ask_policy, sample_groups
from tests.training.doubles import CharTokenizer, ScriptedSampler, check_answers, think


def test_groups_are_sampled_and_verified() -> None:
    items = [Item(name, f"{name}?", "7", "math__own") for name in "ab"]
    prompts = [make_prompt(CharTokenizer(), bare_messages(item.question), item, "f") for item in items]
    sampler = ScriptedSampler(lambda prompt, member: [think("", 7 if "a?" in prompt else 8), None][member])
    groups = sample_groups(
        sampler, prompts, CharTokenizer(), group_size=2, max_tokens=9, temperature=1.0, seed=4, verify=check_answers
    )
    assert [[r.verdict.outcome for r in group.rollouts] for group in groups] == [
        [Outcome.CORRECT, Outcome.UNPARSED],
        [Outcome.WRONG, Outcome.UNPARSED],
    ]
    assert groups[0].rollouts[1].sampled.finish_reason is FinishReason.LENGTH
    assert sampler.seeds == [4]


def test_a_policy_is_asked_once_for_all() -> None:
    sampler = ScriptedSampler(lambda prompt, member: prompt[:2].upper())
    ask = ask_policy(sampler, CharTokenizer(), max_tokens=5)
    assert ask([(Message("user", "one"),), (Message("system", "two"), Message("user", "three"))]) == ["ON", "TW"]
    assert len(sampler.seeds) == 1
