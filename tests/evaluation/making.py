"""Makes the nouns of an evaluation by hand: benches of doubles, samples, pools, and the folders that hold them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from abruzzi.data.items import Item, hash_items
from abruzzi.evaluation.ablation import AblationSettings
from abruzzi.evaluation.arms import NO_PLAN, Arm
from abruzzi.evaluation.attempt import Bench
from abruzzi.evaluation.folder import AblationFolder, AblationProtocol, Evaluation, open_ablation, open_evaluation
from abruzzi.evaluation.pools import JudgedGroup, PlannedItem, Pool
from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity, Protocol
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.ledger import Call, CallOutcome, Ledger
from abruzzi.models.chat import ChatModel, ChatRequest, Emit, ignore
from abruzzi.models.scripted import ScriptedChat
from abruzzi.nouns import (
    Candidate,
    Completion,
    DecidedBy,
    FinishReason,
    Judgement,
    Outcome,
    Plan,
    PlanOutcome,
    Role,
    Usage,
    Verdict,
    Vote,
)
from abruzzi.reasoning.prompts import prompt_versions
from abruzzi.reasoning.run import Roles
from abruzzi.reasoning.settings import AskSettings
from abruzzi.verifiers.extract import extract_answer
from tests.reasoning.asking import same

MODEL = ModelIdentity(spec="scripted", name="m")


@dataclass(slots=True)
class Naps:
    """Sleeps without waiting, and remembers for how long."""

    pauses: list[float] = field(default_factory=list[float])

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Rambler(ScriptedChat):
    """A model whose calls end well and whose replies never fit the schema: what a client makes of one that cannot."""

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        completions = await super().complete(request, ledger=ledger, emit=emit)
        return tuple(replace(c, finish_reason=FinishReason.ERROR, error="no reply could be used") for c in completions)


def make_item(name: str = "s1", truth: str = "42", **changes: Any) -> Item:
    """A sum whose question holds the item's name and not its answer."""
    return replace(Item(name, f"Sum {name}?", truth, "math__own"), **changes)


async def judge_by_text(item: Item, reply: str) -> Verdict:
    """Hold the extracted answer against the truth, letter by letter; the real verifiers run in processes."""
    found = extract_answer(reply)
    if found is None:
        return Verdict(Outcome.UNPARSED, 0.0, None, "no answer")
    is_right = found.text == item.ground_truth
    return Verdict(Outcome.CORRECT if is_right else Outcome.WRONG, float(is_right), found.text, "compared")


def make_bench(
    solver: ChatModel,
    *,
    planner: ChatModel | None = None,
    judge: ChatModel | None = None,
    sleep: Callable[[float], Any] | None = None,
    patience_s: float = 3600.0,
    **ask: Any,
) -> Bench:
    """A bench of doubles; one candidate and no plan unless ``ask`` says otherwise."""
    whole: dict[str, Any] = {"n": 1, "plan": "off", "stop_early": False, "seed": 5}
    settings = AskSettings(**(whole | ask))
    roles = Roles(solver=solver, planner=planner or solver, judge=judge or solver)
    return Bench(roles, settings, same, judge_by_text, patience_s, sleep or Naps())


def make_call(
    prompt: int = 0, completion: int = 0, *, role: Role = Role.SOLVER, model: str = "m", num_choices: int = 1
) -> Call:
    """A call that ended well."""
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion)
    return Call(role, model, CallOutcome.OK, num_choices, 1, usage, True, 0.0, None, 1.0)


def make_candidate(
    index: int,
    answer: str | None,
    *,
    cluster: int | None = None,
    logprob: float | None = None,
    tokens: int | None = None,
    finish: FinishReason = FinishReason.STOP,
) -> Candidate:
    """A candidate that says its answer and no more."""
    text = "" if answer is None else f"<answer>{answer}"
    return Candidate(index, text, "", answer, finish, cluster, 1.0, logprob, tokens)


def make_verdict(score: float) -> Verdict:
    """A verdict of a verifier that worked."""
    return Verdict(Outcome.CORRECT if score >= 1 else Outcome.WRONG, score, None, "by hand")


def make_sample(item: str, repeat: int, score: float = 0.0, **changes: Any) -> Sample:
    """A scored sample; ``changes`` says what else it has."""
    outcome = SampleOutcome.CORRECT if score >= 1 else SampleOutcome.WRONG
    return replace(Sample(item, repeat, outcome, score, "by hand"), **changes)


def fail_sample(item: str, repeat: int, **changes: Any) -> Sample:
    """A sample whose endpoint failed."""
    return make_sample(item, repeat, outcome=SampleOutcome.FAILED, reason="the endpoint is gone", **changes)


def identify(name: str, items: Sequence[Item]) -> BenchmarkIdentity:
    """What a protocol says of a benchmark's items."""
    return BenchmarkIdentity(name=name, revision="r1", num_items=len(items), items_sha256=hash_items(list(items)))


def make_protocol(items: Sequence[Item], benchmark: str = "sums", **changes: Any) -> Protocol:
    """The protocol of a single sample, twice per item."""
    whole: dict[str, Any] = {
        "version": "1",
        "benchmark": identify(benchmark, items),
        "system": "single",
        "ask": AskSettings(n=1, plan="off"),
        "models": {"solver": MODEL},
        "prompts": prompt_versions(),
        "runs": 2,
    }
    return Protocol(**(whole | changes))


def write_evaluation(
    folder: Path, items: Sequence[Item], samples: Sequence[Sample], benchmark: str = "sums", **changes: Any
) -> Evaluation:
    """An evaluation on disk, opened again."""
    evaluation = open_evaluation(folder, make_protocol(items, benchmark, **changes), items)
    with evaluation.samples as store:
        for sample in samples:
            store.add(sample)
    return evaluation


def write_ablation(
    folder: Path,
    items: Mapping[str, Sequence[Item]],
    rows: Sequence[PlannedItem | Pool | JudgedGroup] = (),
    **sizes: int,
) -> AblationFolder:
    """An ablation on disk, opened again."""
    protocol = AblationProtocol(
        version="1",
        benchmarks=tuple(identify(name, own) for name, own in items.items()),
        ask=AskSettings(n=sizes.get("n", 3), plan="always", max_tokens=64, seed=5),
        models={"solver": MODEL, "planner": MODEL, "judge": MODEL},
        prompts=prompt_versions(),
        settings=AblationSettings(**sizes),
    )
    ablation = open_ablation(folder, protocol, items)
    with ablation.stores.plans as plans, ablation.stores.pools as pools, ablation.stores.groups as groups:
        for row in rows:
            match row:
                case PlannedItem():
                    plans.add(row)
                case Pool():
                    pools.add(row)
                case JudgedGroup():
                    groups.add(row)
    return ablation


def make_plan(benchmark: str, item: str, text: str, call: Call) -> PlannedItem:
    """An item's plan; without a text the gate found that it needs none."""
    outcome = PlanOutcome.PLANNED if text else PlanOutcome.NOT_NEEDED
    return PlannedItem(benchmark, item, Plan(outcome, text=text), (call,))


def make_pool(
    key: tuple[str, str, Arm],
    candidates: Sequence[Candidate],
    scores: Sequence[float | None],
    call: Call,
    *,
    plan: str = "",
) -> Pool:
    """A pool of a benchmark's item in an arm; a score of None is a verifier that broke."""
    verdicts = tuple(Verdict(Outcome.ERROR, 0.0, None, "broken") if s is None else make_verdict(s) for s in scores)
    shown = Plan(PlanOutcome.PLANNED, text=plan) if plan else NO_PLAN
    return Pool(*key, shown, tuple(candidates), verdicts, (call,), 1.0)


def make_group(pool: Pool, group: tuple[int, ...], chosen: int, *calls: Call) -> JudgedGroup:
    """A choice among a group: by the judge where there are calls, or else by agreement."""
    votes = (Vote(group[0], chosen, "better"), Vote(group[1], chosen, "better"))
    judgements = (Judgement(group[0], group[1], chosen, votes),) if calls else ()
    decided_by = DecidedBy.JUDGE if calls else DecidedBy.AGREEMENT
    return JudgedGroup(pool.benchmark, pool.item, pool.arm, group, chosen, decided_by, judgements, calls)
