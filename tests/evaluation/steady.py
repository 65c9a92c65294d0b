"""An endpoint whose every reply is a function of what it is asked: equal evaluations must get equal samples."""

import hashlib
import json
import re
from pathlib import Path

from tests.faultserver import Action, Answer, Said, Seen, say

_SUM = re.compile(r"What is (\d+) \+ (\d+)\?")


def steady_reply(seen: Seen, *, token_s: float = 0.002) -> Action:
    """Answer by the hash of the request's seed, choice by choice; right in half the cases."""
    seed = seen.body.get("seed")
    match seen.schema_name:
        case "plan":
            plan = {"plan": f"Add the numbers.\nCheck the sum ({seed})."}
            return say(json.dumps(plan), token_s=token_s)
        case "verdict":
            verdict = "first" if _draw(seed, "verdict") % 2 else "second"
            return say(json.dumps({"reasoning": f"Seen with {seed}.", "verdict": verdict}), token_s=token_s)
        case _:
            found = _SUM.search(seen.prompt)
            assert found is not None, seen.prompt
            right = int(found[1]) + int(found[2])
            draws = [_draw(seed, found[0], choice) for choice in range(seen.n)]
            said = tuple(Said(f"I think ... <answer>{right + draw % 4 * (draw % 2)}", logprob=-0.1) for draw in draws)
            return Answer(said, token_s=token_s)


def _draw(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def write_sums(path: Path, count: int) -> Path:
    """Write a benchmark of sums."""
    rows = ({"id": f"s{k}", "question": f"What is {k} + {3 * k}?", "answer": str(4 * k)} for k in range(1, count + 1))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
