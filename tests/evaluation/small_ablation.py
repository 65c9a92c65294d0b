"""A small ablation for the component table: three and two items, three candidates each, one item without a plan.

What comes of it is worked out by hand in ``test_components``.
"""

from abruzzi.evaluation.arms import Arm
from abruzzi.evaluation.pools import JudgedGroup, PlannedItem, Pool
from abruzzi.ledger import Call
from abruzzi.nouns import Candidate, FinishReason, Role
from tests.evaluation.making import make_call, make_candidate, make_group, make_item, make_plan, make_pool

ITEMS = {"sums": [make_item(name) for name in "abc"], "more": [make_item(name) for name in "de"]}
SIZES: dict[str, int] = {"runs": 3, "n": 2, "judged_runs": 2, "placebo_runs": 3, "long_runs": 2}


def say(*answers: str | None, logprobs: tuple[float | None, ...] = (None, None, None)) -> list[Candidate]:
    """Candidates clustered by equal answers; None is one that was cut."""
    return [
        make_candidate(
            index,
            answer,
            cluster=None if answer is None else answers.index(answer),
            logprob=logprob,
            finish=FinishReason.LENGTH if answer is None else FinishReason.STOP,
        )
        for index, (answer, logprob) in enumerate(zip(answers, logprobs, strict=False))
    ]


def judged(tokens: int) -> tuple[Call, Call]:
    """The judge's two calls."""
    call = make_call(200, tokens, role=Role.JUDGE)
    return call, call


def empty_and(*answers: str) -> list[Candidate]:
    """A candidate that ended without an answer, the likeliest of all, and two with one."""
    return [make_candidate(0, None, logprob=-0.01), *say("?", *answers, logprobs=(None, -0.2, -0.1))[1:]]


SUMS_PLAIN = [
    make_pool(("sums", "a", Arm.NONE), say("1", "1", "2", logprobs=(-0.1, -0.2, -0.3)), [1, 1, 0], make_call(10, 30)),
    make_pool(("sums", "b", Arm.NONE), say("5", "6", "7", logprobs=(-0.3, -0.2, -0.1)), [0, 1, 0], make_call(20, 60)),
    make_pool(("sums", "c", Arm.NONE), empty_and("9", "8"), [0, 0, 1], make_call(30, 90)),
]
SUMS_PLANNED = [
    make_pool(("sums", "a", Arm.PLAN), say("1", "1", "1"), [1, 1, 1], make_call(40, 36), plan="Add."),
    make_pool(
        ("sums", "b", Arm.PLAN),
        say("17", "17", "5", logprobs=(-0.5, -0.3, -0.1)),
        [1, 1, 0],
        make_call(60, 54),
        plan="Add.\nThen 17.",
    ),
]
MORE_PLAIN = [
    make_pool(("more", "d", Arm.NONE), say("3", "4", "4"), [1, 0, 0], make_call(10, 60)),
    make_pool(("more", "e", Arm.NONE), say("8", "8", None), [1, None, 0], make_call(10, 120)),
]
MORE_PLANNED = [
    make_pool(("more", "d", Arm.PLAN), say("3", "3", "4"), [1, 1, 0], make_call(20, 60), plan="Add."),
    make_pool(("more", "e", Arm.PLAN), say("8", "8", "8"), [1, 1, 1], make_call(20, 90), plan="Add."),
]


def placebo(benchmark: str, arm: Arm, tokens: int, **scores: list[float | None]) -> list[Pool]:
    """Pools of a placebo arm; item → scores."""
    return [
        make_pool((benchmark, item, arm), say("1", "2", "3"), own, make_call(2 * tokens - 20, tokens), plan="Other.")
        for item, own in scores.items()
    ]


ROWS: list[PlannedItem | Pool | JudgedGroup] = [
    *SUMS_PLAIN,
    *MORE_PLAIN,
    make_plan("sums", "a", "Add.", make_call(100, 12, role=Role.PLANNER)),
    make_plan("sums", "b", "Add.\nThen 17.", make_call(100, 12, role=Role.PLANNER)),
    make_plan("sums", "c", "", make_call(100, 6, role=Role.PLANNER)),
    make_plan("more", "d", "Add.", make_call(50, 20, role=Role.PLANNER)),
    make_plan("more", "e", "Add.", make_call(50, 20, role=Role.PLANNER)),
    *SUMS_PLANNED,
    *MORE_PLANNED,
    make_group(SUMS_PLAIN[0], (0, 1), 0),
    make_group(SUMS_PLAIN[0], (0, 2), 2, *judged(5)),
    make_group(SUMS_PLAIN[1], (0, 1), 1, *judged(5)),
    make_group(SUMS_PLAIN[1], (1, 2), 2, *judged(5)),
    make_group(SUMS_PLAIN[2], (0, 2), 2),
    make_group(SUMS_PLANNED[0], (0, 1), 0),
    make_group(SUMS_PLANNED[0], (1, 2), 1),
    make_group(SUMS_PLANNED[1], (0, 2), 0, *judged(7)),
    make_group(SUMS_PLANNED[1], (0, 1), 0),
    make_group(MORE_PLANNED[0], (0, 2), 2, *judged(8)),
    *placebo("sums", Arm.SHUFFLED, 30, a=[1, 0, 0], b=[0, 0, 0]),
    *placebo("sums", Arm.FILLER, 30, a=[1, 1, 0], b=[1, 0, 0]),
    *placebo("more", Arm.SHUFFLED, 15, d=[0, 0, 0], e=[1, 1, 1]),
    make_pool(("more", "d", Arm.LONG), say("3", "3"), [1, 1], make_call(10, 80)),
    make_pool(("more", "e", Arm.LONG), say("8", "7"), [1, 0], make_call(10, 70)),
]
