"""Scripted models for the page: one with maths and code to look at, one that takes its time."""

from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Reply, ScriptedChat, hang, reply
from abruzzi.nouns import Role

QUESTION = "In how many ways can a 2 × 10 board be tiled with dominoes?"
PLAN = """1. Let $T_n$ be the number of tilings of a $2 \\times n$ board.
2. Look at the **last column**: one upright domino, or two lying ones.
3. Write the recurrence and its first two values.
4. Go up to $n = 10$, and check small cases by hand."""
RIGHT = """The last column holds one upright domino, or two lying ones reach into the column before it:

$$T_n = T_{n-1} + T_{n-2}, \\qquad T_1 = 1,\\; T_2 = 2.$$

```python
def tilings(n: int) -> int:
    a, b = 1, 1  # T(0), T(1)
    for _ in range(n):
        a, b = b, a + b
    return a
```

So $T_{10} = \\boxed{89}$.
<answer>89</answer>"""
WRONG = """Each tiling is a row of blocks of width $1$ or $2$, so I count the words of length 10:

$$\\sum_{k=0}^{5} \\binom{10-k}{k} = 1 + 9 + 28 + 34 + 15 + 1 = 88.$$

<answer>88</answer>"""
THOUGHTS = (
    "Let me set up a recurrence on the last column. If it is covered by one upright domino, what is left is a board "
    "of width n − 1. If not, both of its squares are covered by lying dominoes, which also cover the column before "
    "it. So T(n) = T(n−1) + T(n−2), with T(1) = 1 and T(2) = 2: 1, 2, 3, 5, 8, 13, 21, 34, 55, 89."
)
OTHER_THOUGHTS = (
    "Count by the number k of pairs of lying dominoes: each pair takes two columns, so there are 10 − k blocks to "
    "arrange, of which k are pairs. The sum runs over k from 0 to 5. The binomials are 1, 9, 28, 34, 15 and 1."
)
REASON = (
    "Both set up the right structure. The sum in the second response has an error: $\\binom{7}{3} = 35$, not 34, so "
    "its total should be 89. The first response's recurrence gives 89 directly."
)


def showcase(*, seconds: float = 0.4) -> ScriptedChat:
    """Make a model that plans, splits two against two, and judges for the right answer."""

    def solve(request: ChatRequest) -> list[Reply]:
        makes = [
            lambda: reply(RIGHT, reasoning=THOUGHTS, seconds=seconds),
            lambda: reply(WRONG, reasoning=OTHER_THOUGHTS, seconds=1.15 * seconds),
            lambda: reply(RIGHT, reasoning=THOUGHTS, seconds=1.3 * seconds),
            lambda: reply(WRONG, reasoning=OTHER_THOUGHTS, seconds=1.5 * seconds),
        ]
        return [makes[index % 4]() for index in range(request.n)]

    def judge(request: ChatRequest) -> list[Reply]:
        prompt = request.messages[-1].content
        verdict = "first" if prompt.find("<answer>89") < prompt.find("<answer>88") else "second"
        reason = REASON if verdict == "first" else REASON.replace("second response", "first response", 1)
        return [reply(json={"reasoning": reason, "verdict": verdict}, seconds=seconds / 2)]

    plan = {"plan": PLAN}
    return ScriptedChat(
        {Role.PLANNER: reply(json=plan, seconds=seconds), Role.SOLVER: solve, Role.JUDGE: judge},
        name="showcase-4b",
        max_context=32768,
    )


def agreeing(answer: str = "42", *, seconds: float = 0.05, never_ends: bool = False) -> ScriptedChat:
    """Make a model whose first two candidates agree, while the third never ends."""

    def solve(request: ChatRequest) -> list[Reply]:
        quick = reply(f"It is <answer>{answer}</answer>", reasoning="Let me see.", seconds=seconds)
        endless = hang("I am still thinking about it", seconds=seconds)
        return [endless if never_ends or index >= 2 else quick for index in range(request.n)]

    plan = {"plan": "Add the tens first.\nThen the ones."}
    return ScriptedChat({Role.PLANNER: reply(json=plan, seconds=seconds), Role.SOLVER: solve}, max_context=8192)
