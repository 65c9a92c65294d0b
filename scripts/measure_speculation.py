"""What ngram-mod accepts of a candidate with its siblings generated before, against without: group-aware drafting.

For each question two fresh engines, so that the pool holds nothing of other questions:

    without   candidate 1
    with      candidates 2 and 3, then candidate 1

Candidate 1 has the same seed, and by exactness the same text, both times; what is accepted beyond is its siblings'
doing. Counts do not depend on the machine or its load. How methods fare beside off is measured by
`abruzzi engine tune --json`.

    .venv/bin/python scripts/measure_speculation.py --questions 8 --tokens 48 > siblings.json
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from abruzzi.cli.wiring import fetch_weights
from abruzzi.engine.counters import EngineCounters, read_counters
from abruzzi.engine.process import Engine
from abruzzi.engine.self_measurement import complete
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import DEFAULTS, Method
from abruzzi.engine.speculation_choice import TextKind
from abruzzi.engine.tuning_samples import write_sample
from abruzzi.models.specs import EmbeddedSpec


@dataclass(frozen=True, slots=True)
class Drafts:
    """How the drafts for candidate 1 fared."""

    completion_tokens: int
    draft_tokens: int
    accepted_tokens: int


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=48)
    wish = parser.parse_args()
    settings = EngineSettings(
        model=fetch_weights(EmbeddedSpec(is_base=True)),
        slots=1,
        context_tokens=512,
        speculation=DEFAULTS[Method.NGRAM_MOD],
    )
    rows: list[dict[str, Any]] = []
    for number in range(wish.questions):
        kind = list(TextKind)[number % len(TextKind)]
        question = write_sample(kind, number)
        (without, alone), (after_siblings, text) = (
            ask_first(settings, question, wish.tokens, has_siblings=has_siblings) for has_siblings in (False, True)
        )
        rows.append(
            {"kind": kind, "without": asdict(without), "with": asdict(after_siblings), "is_same_text": alone == text}
        )
        json.dump(rows[-1], sys.stderr)
    json.dump({"tokens": wish.tokens, "rows": rows}, sys.stdout, indent=1)


def ask_first(settings: EngineSettings, question: str, tokens: int, *, has_siblings: bool) -> tuple[Drafts, str]:
    """Generate candidate 1 in a fresh engine, after its siblings or alone."""
    with Engine(settings) as engine:

        def candidate(seed: int, limit: int = tokens) -> str:
            body = {"messages": [{"role": "user", "content": question}], "temperature": 0.7, "max_tokens": limit}
            return complete(engine, {**body, "seed": seed})["choices"][0]["message"]["content"]

        # The prompt is computed first, both times: a pass over it and one over its last token differ in the last bits.
        candidate(0, limit=1)
        if has_siblings:
            candidate(2)
            candidate(3)
        before = read_counters(engine)
        text = candidate(1)
        return gained(before, read_counters(engine)), text


def gained(before: EngineCounters, after: EngineCounters) -> Drafts:
    """What the counters gained."""
    return Drafts(
        after.completion_tokens - before.completion_tokens,
        after.draft_tokens - before.draft_tokens,
        after.accepted_tokens - before.accepted_tokens,
    )


if __name__ == "__main__":
    main()
