"""Checks the large GRPO recipe against verl itself, without a GPU; started by ``scripts/check_verl.sh``.

Nothing here is a stand-in for verl but the sampler, which is scripted: configuration, data set, reward manager and its
Ray actors, agent loop, queue, replay buffer, padding, correction, advantages and loss are verl's own. The model is a
tiny one with random weights that nobody runs; the tokenizer has one token per byte. Each line printed says what was
held against what; the first disagreement ends the script with exit code 1.
"""

import json
import math
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import transfer_queue as tq
import yaml
from hydra import compose, initialize_config_module
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf
from tensordict import TensorDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from verl import DataProto
from verl.experimental.reward_loop import RewardLoopManager
from verl.trainer.ppo.core_algos import compute_policy_loss_vanilla
from verl.trainer.ppo.metric_utils import process_validation_metrics
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.trainer.ppo.v1 import AgentLoopManagerTQ, get_trainer_cls
from verl.utils.config import omega_conf_to_dataclass, validate_config
from verl.workers.rollout.replica import TokenOutput

from abruzzi.capacity.shapes import shape_of
from abruzzi.data.items import Item
from abruzzi.training.grpo.advantages import group_advantages
from abruzzi.training.grpo.aggregation import token_weights
from abruzzi.training.grpo.correction import sampler_weights
from abruzzi.training.grpo.loss import policy_loss
from abruzzi.training.recipe import Recipe, read_recipe
from abruzzi.training.scale.settings import GrpoScale, read_scale
from abruzzi.training.scale.verl_config import MAIN, Overrides, VerlFiles, compose_overrides, to_arguments
from abruzzi.training.scale.verl_data import to_verl_row, write_verl_rows
from abruzzi.training.scale.verl_reward import count_unjudged
from tests.training.scale.guru_rows import BROKEN, CASES, FREE_TEXT, ask

RECIPES = Path(__file__).parent.parent / "recipes" / "k2-think-32b"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LONE = Item("stem_web/1", "What do lungs take in?", "oxygen", "stem_web", {"question": "What do lungs take in?"})
OTHER_WORDS = r"It is \boxed{a gas of some kind}."
"""Free text that is not the reference: without a grader nobody can say whether it is right."""


def say(line: str) -> None:
    """Print a line at once, among what Ray and verl print."""
    sys.stdout.write(f"ok  {line}\n")
    sys.stdout.flush()


def hold(condition: bool, line: str) -> None:
    """End the script unless something holds."""
    if not condition:
        sys.exit(f"NOT SO  {line}")


@dataclass(frozen=True)
class Bench:
    """The recipe in verl's words, with small files to run it on."""

    recipe: Recipe
    scale: GrpoScale
    files: VerlFiles
    overrides: Overrides


def make_model(folder: Path) -> None:
    """Write a tiny Qwen2 with a tokenizer of bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def make_bench(folder: Path) -> Bench:
    """Write the model and the rows, and say the recipe in verl's words."""
    files = VerlFiles(folder / "model", folder / "train.parquet", folder / "held-out.parquet", folder / "run")
    make_model(files.model)
    items = [*(case.item for case in CASES), FREE_TEXT, LONE, BROKEN]
    write_verl_rows(files.train, (to_verl_row(item, ask(item), index=i, split="train") for i, item in enumerate(items)))
    held_out = CASES[0].item
    write_verl_rows(files.held_out, [to_verl_row(held_out, ask(held_out), index=0, split="test")])
    recipe = read_recipe(RECIPES / "grpo.toml")
    scale = read_scale(RECIPES / "scale.toml")
    hold(scale.grpo is not None, "scale.toml has a table [grpo]")
    assert scale.grpo is not None, "just held"
    overrides = compose_overrides(recipe, scale.grpo, shape_of(scale.model.shape), files)
    return Bench(recipe, scale.grpo, files, overrides)


def check_printed_configuration(bench: Bench) -> None:
    """Let verl's own entry point print the configuration it would train with."""
    command = [sys.executable, "-m", MAIN, "--cfg", "job", *to_arguments(bench.overrides)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own interpreter
    hold(done.returncode == 0, f"{MAIN} --cfg job: {done.stderr[-2000:]}")
    printed = OmegaConf.create(yaml.safe_load(done.stdout))
    for key, value in bench.overrides.items():
        found = OmegaConf.select(printed, key.removeprefix("+"))
        found = OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
        hold(found == value, f"{key}: {found!r} is what we wrote, {value!r}")
    say(f"{MAIN} --cfg job prints all {len(bench.overrides)} of our settings, each as we wrote it")


def compose_config(overrides: Overrides) -> DictConfig:
    """Compose a configuration as verl's entry point does."""
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", to_arguments(overrides))


def check_validation(bench: Bench) -> None:
    """Let verl validate the configuration, build its settings of it, and refuse what is misspelt."""
    config = compose_config(bench.overrides)
    hold(not need_critic(config) and not need_reference_policy(config), "no critic and no reference are needed")
    validate_config(config, use_reference_policy=False, use_critic=False)
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    rollout = omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
    algorithm = omega_conf_to_dataclass(config.algorithm)
    model = omega_conf_to_dataclass(config.actor_rollout_ref.model)
    hold(actor.engine.strategy == "fsdp2" and actor.engine.ulysses_sequence_parallel_size == 8, "FSDP2, sequences by 8")
    hold(actor.optim.lr == 1e-6 and actor.optim.clip_grad == 1.0, "learning rate and clipping arrive as numbers")
    hold(rollout.n == 16 and rollout.max_model_len == 36864, "groups of 16 and 36,864 tokens arrive at the engine")
    hold(algorithm.rollout_correction["rollout_is"] == "token", "token weights correct for the engine")
    hold(model.hf_config.model_type == "qwen2", "the model folder is read")
    say("validate_config and the dataclasses of actor, rollout, algorithm and model take the configuration")
    try:
        compose_config({**bench.overrides, "actor_rollout_ref.actor.clip_ratio_hihg": 0.2})
    except ConfigCompositionException:
        say("a misspelt key is refused")
    else:
        hold(False, "a misspelt key is refused")


def run_config(bench: Bench) -> DictConfig:
    """Compose the configuration with what a machine of two cores needs otherwise; the rest is the recipe's."""
    config = compose_config(
        {
            **bench.overrides,
            "data.train_batch_size": len(CASES) + 3,
            "data.dataloader_num_workers": 0,
            "data.shuffle": False,
            "actor_rollout_ref.rollout.n": 4,
            "actor_rollout_ref.rollout.agent.num_workers": 1,
            "reward.num_workers": 1,
            "+reward.custom_reward_function.reward_kwargs.grader": None,
            "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        }
    )
    OmegaConf.resolve(config)
    return config


def check_data(bench: Bench, trainer: Any) -> None:
    """Let verl's trainer make its data set and loader of our rows."""
    trainer._init_tokenizer()
    trainer._init_dataloader()
    rows = [trainer.train_dataset[i] for i in range(len(trainer.train_dataset))]
    items = [*(case.item for case in CASES), FREE_TEXT, LONE, BROKEN]
    hold(len(rows) == len(items), f"{len(rows)} of {len(items)} rows pass verl's filter of long prompts")
    for row, item in zip(rows, items, strict=True):
        hold(row["data_source"] == item.data_source and row["index"] == items.index(item), f"{item.id} in its place")
        hold(json.loads(row["reward_model"]["ground_truth"]) == item.ground_truth, f"ground truth of {item.id}")
        hold(row["raw_prompt"] == [{"role": "user", "content": item.question}], f"prompt of {item.id}")
    say(f"verl's RLHFDataset reads {len(rows)} rows of six domains from our parquet, ground truths intact")


def _as_proto(tokenizer: Any, row: dict[str, Any], reply: str) -> DataProto:
    """Put a reply beside its row as verl's agent loop does."""
    prompts = torch.tensor([tokenizer.encode("?")])
    responses = torch.tensor([[*tokenizer.encode(reply), tokenizer.eos_token_id]])
    input_ids = torch.cat([prompts, responses], dim=1)
    tensors = {"prompts": prompts, "responses": responses, "input_ids": input_ids}
    tensors["attention_mask"] = torch.ones_like(input_ids)
    columns = {key: np.array([row[key]], dtype=object) for key in ("data_source", "reward_model", "extra_info")}
    columns["tool_extra_fields"] = np.array([{"turn_scores": [], "tool_rewards": []}], dtype=object)
    return DataProto(batch=TensorDict(tensors, batch_size=1), non_tensor_batch=columns)


def check_rewards(trainer: Any, handle: Any) -> None:
    """Call the reward through verl's reward worker, an actor, and its manager."""
    counts: dict[str, int] = defaultdict(int)
    for row, case in zip(trainer.train_dataset, CASES, strict=False):
        replies = ((case.right, 1.0, "correct"), (case.wrong, 0.0, "wrong"), (case.silent, 0.0, "unparsed"))
        for reply, reward, outcome in replies:
            result = ray.get(handle.compute_score.remote(_as_proto(trainer.tokenizer, row, reply)))
            found = (result["reward_score"], result["reward_extra_info"]["outcome"])
            hold(found == (reward, outcome), f"{case.item.id}: {found} for a reply that is {outcome}")
            hold("acc" not in result["reward_extra_info"], "no acc, which validation would fill up with zeros")
            counts[case.domain] += 1
    shown = ", ".join(f"{domain} {count}" for domain, count in counts.items())
    say(f"verl's reward worker and naive manager give right, wrong and empty replies 1, 0 and 0: {shown}")
    broken = trainer.train_dataset[len(CASES) + 2]
    try:
        ray.get(handle.compute_score.remote(_as_proto(trainer.tokenizer, broken, CASES[1].right)))
    except ray.exceptions.RayTaskError as error:
        hold("VerifierError" in str(error) and "error: " in str(error), f"the verifier's error is told: {error}")
        say("a row whose tests are broken raises VerifierError out of the actor: no 0")
    else:
        hold(False, "a row whose tests are broken has no reward")


class ScriptedClient:
    """Answers in the engine's place: each question has its replies, one for each rollout."""

    def __init__(self, tokenizer: Any, replies: dict[str, list[str]]) -> None:
        self.tokenizer = tokenizer
        self.replies = replies

    async def generate(self, *, prompt_ids: list[int], **_: Any) -> TokenOutput:
        """Give the next reply to the question in the prompt."""
        text = self.tokenizer.decode(prompt_ids)
        reply = next(replies for question, replies in self.replies.items() if question in text).pop(0)
        ids = [*self.tokenizer.encode(reply), self.tokenizer.eos_token_id]
        versions = {"global_steps": 1, "min_global_steps": 1, "max_global_steps": 1}
        return TokenOutput(token_ids=ids, log_probs=[-1.0] * len(ids), stop_reason="completed", extra_fields=versions)


def script_replies() -> dict[str, list[str]]:
    """Four replies to each question."""
    replies = {case.item.question: [case.right, case.wrong, case.silent, case.right] for case in CASES}
    replies[FREE_TEXT.question] = [r"\boxed{carbon dioxide}", CASES[0].silent, r"\boxed{carbon dioxide}", OTHER_WORDS]
    replies[LONE.question] = [r"\boxed{oxygen}", OTHER_WORDS, OTHER_WORDS, OTHER_WORDS]
    replies[BROKEN.question] = [CASES[1].right] * 4
    return replies


def check_rollouts(bench: Bench, trainer: Any, handles: list[Any]) -> None:
    """Send one batch through agent loop, reward, queue, replay buffer, padding, correction and advantages."""
    config = trainer.config
    trainer.agent_loop_manager = AgentLoopManagerTQ.create(
        config=config,
        llm_client=ScriptedClient(trainer.tokenizer, script_replies()),
        teacher_client=None,
        reward_loop_worker_handles=handles,
    )
    before = sum(count_unjudged(bench.files.unjudged).values())
    trainer._add_batch_to_generate()
    batch, _ = trainer.replay_buffer.sample(
        global_steps=1, partition_id="train", batch_size=config.data.train_batch_size
    )
    num_asked = 4 * config.data.train_batch_size
    num_judged = 4 * len(CASES) + 3 + 1
    hold(
        len(batch.keys) == num_judged,
        f"{len(batch.keys)} of {num_asked} rollouts are in the batch, {num_judged} judged",
    )
    unjudged = count_unjudged(bench.files.unjudged)
    hold(sum(unjudged.values()) - before == num_asked - num_judged, f"unjudged_dir counts the rest: {dict(unjudged)}")
    say(
        f"of {num_asked} rollouts through agent loop and queue the {num_judged} judged ones reach the batch; "
        f"the {num_asked - num_judged} others are in no tensor, and counted in unjudged_dir"
    )
    batch = upsample_batch_to_divisible_size(batch, 16, trainer.tokenizer.eos_token_id)
    hold(len(batch.keys) == 48, "the batch is filled up to a multiple of 16")
    _write_old_logprobs(batch)
    metrics: dict[str, Any] = {}
    trainer._compute_advantage(batch, metrics)
    fields = [
        "uid",
        "response_mask",
        "rm_scores",
        "advantages",
        "rollout_is_weights",
        "rollout_log_probs",
        "old_log_probs",
    ]
    rows = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
    _compare_groups(batch, rows)
    is_padding = [bool(tag.get("is_padding", False)) for tag in batch.tags]
    padded = [mask for mask, pad in zip(rows["response_mask"], is_padding, strict=True) if pad]
    hold(len(padded) == 4 and all(int(mask.sum()) == 0 for mask in padded), "filling rows carry no loss")
    say("the 4 rows that fill the batch up have an empty loss mask")
    cap = bench.recipe.grpo.correction_cap if bench.recipe.grpo else math.nan
    num_truncated = 0
    columns = ("rollout_is_weights", "rollout_log_probs", "old_log_probs", "response_mask")
    for weights, rollout, old, mask in zip(*(rows[name] for name in columns), strict=True):
        ours = sampler_weights(old.float(), rollout.float(), cap=cap) * mask
        hold(torch.allclose(weights.float(), ours, atol=1e-5), f"token weights {weights} and {ours}")
        num_truncated += int((ours == cap).sum())
    hold(num_truncated > 0, "some weights are truncated")
    say(f"verl's token weights for the engine's difference equal ours, {num_truncated} truncated ones among them")


def _write_old_logprobs(batch: Any) -> None:
    """Write the policy's log-probabilities: off the sampler's by a little in even rows, by a lot in odd ones."""
    data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["rollout_log_probs"])
    shifted = [row + (0.5 if i % 2 == 0 else 1.2) for i, row in enumerate(data["rollout_log_probs"])]
    nested = torch.nested.as_nested_tensor(shifted, layout=torch.jagged)
    fields = TensorDict({"old_log_probs": nested}, batch_size=len(batch.keys))
    tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)


def _compare_groups(batch: Any, rows: Any) -> None:
    """Hold verl's advantages against ours, group by group."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for key, scores, advantages, mask in zip(
        batch.keys, rows["rm_scores"], rows["advantages"], rows["response_mask"], strict=True
    ):
        if int(mask.sum()):
            first = float(advantages[0])
            hold(bool(torch.all(advantages == first)), "one advantage per rollout, on each of its tokens")
            groups[key.split("_")[0]].append((float(scores.sum()), first))
    sizes = sorted(len(members) for members in groups.values())
    hold(sizes == [1, 3, *[4] * len(CASES)], f"groups of {sizes} rollouts")
    num_equal = 0
    for members in groups.values():
        rewards = torch.tensor([reward for reward, _ in members])
        theirs = torch.tensor([advantage for _, advantage in members])
        ours = group_advantages(rewards, torch.ones(len(members)), scale="std")
        if len(members) == 1:
            hold(math.isclose(float(theirs[0]), 1.0, abs_tol=1e-5) and float(ours[0]) == 0.0, "a lone rollout")
        else:
            hold(torch.allclose(theirs, ours, atol=1e-5), f"advantages {theirs.tolist()} and {ours.tolist()}")
            num_equal += 1
    say(f"verl's advantages equal ours in {num_equal} groups, one of them short of a rollout that was not judged")
    say("known difference: the one rollout left of a group has its reward, 1, as verl's advantage; ours is 0")


def check_validation_metrics() -> None:
    """Let verl sum up a validation in which one of four rollouts had no reward."""
    infos = {"reward": [1.0, 0.0, 0.0], "score": [1.0, 0.0, 0.0], "outcome": ["correct", "wrong", "unparsed"]}
    means = process_validation_metrics(["math"] * 3, ["u"] * 3, infos, expected_acc_counts={("math", "u"): 4})["math"]
    hold(set(means) == {"reward", "score"}, f"the numbers among our results become curves: {sorted(means)}")
    hold(math.isclose(means["reward"]["mean@3"], 1 / 3), "the mean is over the three that were judged")
    say("verl's validation averages over judged rollouts and fills nothing up with 0")


def check_loss(bench: Bench) -> None:
    """Hold verl's loss and gradient against ours, clipped tokens, dual clip and correction included."""
    generator = torch.Generator().manual_seed(0)
    shape = (12, 40)
    old = -torch.rand(shape, generator=generator, dtype=torch.float64)
    shift = 2.0 * torch.randn(shape, generator=generator, dtype=torch.float64)
    advantages = torch.randn(12, 1, generator=generator, dtype=torch.float64).expand(shape)
    lengths = torch.randint(1, 41, (12, 1), generator=generator)
    mask = (torch.arange(40) < lengths).double()
    weights = torch.rand(shape, generator=generator, dtype=torch.float64) * 2
    config = compose_config(bench.overrides)
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    theirs_in, ours_in = ((old + shift).clone().requires_grad_() for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = compute_policy_loss_vanilla(
            old_log_prob=old,
            log_prob=theirs_in,
            advantages=advantages,
            response_mask=mask,
            loss_agg_mode=actor.loss_agg_mode,
            config=actor,
            rollout_is_weights=weights,
        )
    is_kept = mask.bool()
    rollouts = is_kept.nonzero()[:, 0]
    share = token_weights(torch.ones(len(rollouts)), rollouts, aggregate="token")
    ours, metrics = policy_loss(
        ours_in[is_kept],
        old[is_kept],
        advantages[is_kept],
        share.double(),
        clip_low=actor.clip_ratio_low,
        clip_high=actor.clip_ratio_high,
        dual_clip=actor.clip_ratio_c,
        sampler_weights_T=weights[is_kept],
    )
    theirs.backward()
    ours.backward()
    hold(torch.allclose(theirs, ours, rtol=1e-6), f"loss {theirs.item()} and {ours.item()}")
    assert theirs_in.grad is not None, "it took part"
    assert ours_in.grad is not None, "it took part"
    hold(torch.allclose(theirs_in.grad, ours_in.grad, rtol=1e-5, atol=1e-9), "gradients")
    clipped = metrics.num_clipped_low, metrics.num_clipped_high, metrics.num_clipped_dual
    hold(all(clipped), f"all three clips occur: {clipped}")
    say(
        f"verl's loss and gradient equal ours on {metrics.num_tokens} tokens, of them {clipped[0]} clipped below, "
        f"{clipped[1]} above and {clipped[2]} by the dual clip"
    )


def make_trainer(config: DictConfig) -> Any:
    """Make verl's synchronous trainer; what needs GPUs, its workers and engine, comes with its ``init``, not called."""
    trainer = get_trainer_cls(config.trainer.v1.trainer_mode)(config=config)
    trainer.global_steps = 1
    return trainer


def check_all(folder: Path) -> None:
    """Run every check in turn."""
    bench = make_bench(folder)
    check_printed_configuration(bench)
    check_validation(bench)
    check_loss(bench)
    check_validation_metrics()
    config = run_config(bench)
    trainer = make_trainer(config)
    check_data(bench, trainer)
    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    try:
        tq.init(config.transfer_queue)
        manager = RewardLoopManager(config)
        check_rewards(trainer, manager.reward_loop_worker_handles[0])
        check_rollouts(bench, trainer, manager.reward_loop_worker_handles)
        tq.close()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        check_all(Path(name))
    say("all checks passed")
