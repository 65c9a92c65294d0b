"""Program-written chains of thought, and plans, for generated items; a family a file, several ways of solving each."""

from abruzzi.data.traces.examples import make_examples
from abruzzi.data.traces.write import list_factual, list_families, list_styles, write_facts, write_plan, write_trace

__all__ = [
    "list_factual",
    "list_families",
    "list_styles",
    "make_examples",
    "write_facts",
    "write_plan",
    "write_trace",
]
