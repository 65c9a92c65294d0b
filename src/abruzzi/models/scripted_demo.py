"""The demonstration behind the model spec ``scripted``: a canned arithmetician.

It lets every command be tried without a model, a network or a download. It reads one sum such as ``17 + 25`` (or a
difference, or a product) out of the question and plays all roles. Every second candidate gets it wrong by one, so that
there is something to agree on and to judge. It does not think, and says so when there is no sum.
"""

import re

from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Reply, ScriptedChat, reply
from abruzzi.nouns import Role

PLAN = (
    "Write the two numbers one below the other.\nWork digit by digit, from the right.\nCheck the result by estimating."
)
_SUM = re.compile(r"(\d{1,12})\s*([-−+*x×])\s*(\d{1,12})")
_ANSWER = re.compile(r"<answer>([^<\n]*)")
"""Its end tag may be missing: it is a stop string."""


def demonstrate() -> ScriptedChat:
    """Make the demonstration's model."""
    return ScriptedChat(_play, name="scripted", max_context=8192)


def _play(request: ChatRequest) -> list[Reply]:
    prompt = request.messages[-1].content
    match request.role:
        case Role.TOPICS:
            one = reply(json={"is_hard_problem": True, "plan": "", "search_list": ["arithmetic"]}, seconds=0.2)
        case Role.PLANNER if request.schema is None:
            one = reply(f"<plan>{PLAN}</plan>", seconds=0.4)
        case Role.PLANNER:
            one = reply(json={"plan": PLAN}, seconds=0.4)
        case Role.JUDGE:
            one = _judge(prompt)
        case _:
            return [_solve(prompt, index) for index in range(request.n)]
    return [one] * request.n


def _compute(prompt: str) -> tuple[str, int] | None:
    """Find the sum in a prompt; return it as written, and its result."""
    found = _SUM.search(prompt)
    if found is None:
        return None
    left, right = int(found[1]), int(found[3])
    match found[2]:
        case "+":
            return found[0], left + right
        case "-" | "−":
            return found[0], left - right
        case _:
            return found[0], left * right


def _solve(prompt: str, index: int) -> Reply:
    computed = _compute(prompt)
    seconds = 0.8 + 0.2 * index
    if computed is None:
        return reply(
            "<answer>I am a canned demonstration and know only sums such as 17 + 25.</answer>", seconds=seconds
        )
    written, result = computed
    said = result + index % 2
    thought = f"The question asks for {written}. Digit by digit, from the right, I get {said}."
    return reply(f"<answer>{said}</answer>", reasoning=thought, seconds=seconds, mean_logprob=-0.1 * (index + 1))


def _judge(prompt: str) -> Reply:
    """Prefer the response that has the right result; the prompt shows two."""
    computed = _compute(prompt)
    right = "" if computed is None else str(computed[1])
    is_right = [answer.strip() == right for answer in _ANSWER.findall(prompt)[-2:]] + [False, False]
    verdict = "tie" if is_right[0] == is_right[1] else ("first" if is_right[0] else "second")
    reason = "I worked it out again and compared."
    return reply(
        json={"reasoning": reason, "verdict": verdict, "index": int(verdict == "second"), "explanation": reason},
        seconds=0.3,
    )
