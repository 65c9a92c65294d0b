"""What ``abruzzi capacity`` predicts from: the lengths of the pipeline's own prompts, and a model on a machine."""

from abruzzi.capacity.machines import Machine
from abruzzi.capacity.question import Lengths
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import shape_of
from abruzzi.reasoning.prompts import read_prompt

CHARS_PER_TOKEN = 4.0
"""Of our prompts, in SmolLM2's tokens: 4.03, measured; docs/results/capacity.md."""

EMBEDDED = "embedded"
EMBEDDED_CHUNK_TOKENS = 128
"""The engine's ``batch_tokens``."""


def count_lengths(*, question: int, plan: int, candidate: int, response: int, verdict: int, spread: float) -> Lengths:
    """Count the pipeline's own prompts, and put the lengths that the user gives beside them."""

    def count(*texts: str) -> int:
        return round(sum(map(len, texts)) / CHARS_PER_TOKEN)

    judge, match = read_prompt("judge")
    return Lengths(
        plan_instructions=count(*read_prompt("plan")),
        solve_instructions=count(*read_prompt("solve")),
        judge_instructions=count(judge),
        plan_frame=count(read_prompt("solve_plan")[1]),
        match_frame=count(match),
        question=question,
        plan=plan,
        candidate=candidate,
        response=response,
        verdict=verdict,
        spread=spread,
    )


def open_replica(model: str, machine: Machine, weight_bits: float | None, cache_bits: float) -> Replica:
    """Put a model on a machine; the embedded one as its file and its engine have it.

    Raises:
        ConfigError: the model's shape is not known, or a number of bits is not above 0.
    """
    from abruzzi.engine.weights import BASE

    shape = shape_of(model)
    if model != EMBEDDED:
        return Replica(shape, machine, 16.0 if weight_bits is None else weight_bits, cache_bits)
    own_bits = 8 * BASE.num_bytes / shape.num_parameters
    bits = own_bits if weight_bits is None else weight_bits
    return Replica(shape, machine, bits, cache_bits, chunk_tokens=EMBEDDED_CHUNK_TOKENS)
