"""Verifiers: one definition of correct for training, evaluation and answering. They know no model."""

from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.agree import AnswerKind, agree
from abruzzi.verifiers.cluster import cluster
from abruzzi.verifiers.reader import Malformed, join_responses, read_rows
from abruzzi.verifiers.router import Mode
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verify import check_many, verify, verify_async, verify_both, verify_many

__all__ = [
    "AnswerKind",
    "Malformed",
    "Mode",
    "Outcome",
    "Row",
    "Verdict",
    "agree",
    "check_many",
    "cluster",
    "join_responses",
    "read_rows",
    "verify",
    "verify_async",
    "verify_both",
    "verify_many",
]
