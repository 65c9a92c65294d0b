"""Verifiers: one definition of correct for training, evaluation and answering. They know no model."""

from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.reader import Malformed, join_responses, read_rows
from abruzzi.verifiers.router import Mode
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verify import check_many, verify, verify_async, verify_both, verify_many

__all__ = [
    "Malformed",
    "Mode",
    "Outcome",
    "Row",
    "Verdict",
    "check_many",
    "join_responses",
    "read_rows",
    "verify",
    "verify_async",
    "verify_both",
    "verify_many",
]
