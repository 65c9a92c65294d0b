"""Verifies instruction following by the 25 checkers of IFEval (arXiv 2311.07911), strict and at prompt level.

Ground truth: one mapping of settings per instruction of ``extra["instruction_id_list"]``. ``correct`` means that every
instruction is followed; the score is the share of instructions followed, so that a reward may use it. What is judged
is the text after the thoughts, unchanged.

The checkers keep IFEval's definitions (a keyword counts inside a longer word, "don't" is two words). They differ from
the public code where that is plainly broken: settings are text and never regular expressions; a missing setting is a
broken row and never drawn at random; blank paragraphs are not counted as places; two of the constrained answers at once
are none; a divider is no bullet; a list's numbers are no sentences; and any character can be the letter to count.

IFBench (58 other checkers) and LiveBench rows route here too, and are answered with ``error``, because those checkers
are not built.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.extract import split_thinking
from abruzzi.verifiers.instructions.layout import LAYOUT
from abruzzi.verifiers.instructions.settings import Check, SettingError, Settings
from abruzzi.verifiers.instructions.witness import write_witness
from abruzzi.verifiers.instructions.wording import WORDING
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

CHECKERS: dict[str, Check] = {**WORDING, **LAYOUT}
_NOT_BUILT = {"ood__ifbench": "IFBench's 58 checkers", "ood__livebench": "LiveBench's graders"}


class InstructionsError(ValueError):
    """The row does not say which instructions were given."""


def verify_instructions(row: Row) -> Verdict:
    """Verify that the reply follows every instruction of the row."""
    if row.data_source in _NOT_BUILT:
        return broken(
            f"{_NOT_BUILT[row.data_source]} are not part of Abruzzi; {shown(row.ground_truth)} stays unchecked"
        )
    try:
        instructions = read_instructions(row)
    except InstructionsError as problem:
        return broken(str(problem))
    reply = split_thinking(row.response)
    if not reply.is_closed or not reply.text.strip():
        return unparsed("nothing follows the thoughts" if reply.is_closed else "the reply breaks off in its thoughts")
    ignored: list[str] = []
    for name, settings in instructions:
        try:
            if not CHECKERS[name](reply.text, settings):
                ignored.append(name)
        except SettingError as problem:
            return broken(f"{name}: {problem}")
    if not ignored:
        return correct(shown(reply.text.strip()), f"all {len(instructions)} instructions are followed")
    share = 1 - len(ignored) / len(instructions)
    return wrong(shown(reply.text.strip()), f"not followed: {', '.join(ignored)}", score=share)


def gold_reply_instructions(row: Row) -> str:
    """Write a reply that follows the row's instructions, for there is no reference answer to put in.

    Raises:
        InstructionsError: the row does not say which instructions were given.
    """
    # Of a range's two bounds the lower one is what must be written towards, so it is read last.
    instructions = sorted(read_instructions(row), key=lambda pair: "at least" in pair[1].values())
    return write_witness(dict(instructions))


def read_instructions(row: Row) -> list[tuple[str, Settings]]:
    """Pair each instruction's id with its settings; empty settings and None are left out.

    Raises:
        InstructionsError: there are none, one is unknown, or ids and settings differ in number.
    """
    names, truth = row.extra.get("instruction_id_list"), row.ground_truth
    if not _is_list(names) or not _is_list(truth) or not names or len(names) != len(truth):
        raise InstructionsError(f"{shown(names)} instructions do not fit the settings {shown(truth)}")
    unknown = [str(name) for name in names if name not in CHECKERS]
    if unknown:
        raise InstructionsError(f"no checker for {', '.join(unknown)}; known: {', '.join(sorted(CHECKERS))}")
    return [(str(name), _settings(str(name), given, row.extra)) for name, given in zip(names, truth, strict=True)]


def _settings(name: str, given: Any, extra: Mapping[str, Any]) -> Settings:
    pairs = cast("Mapping[str, Any]", given or {})
    settings = {key: value for key, value in pairs.items() if value is not None}
    if name == "combination:repeat_prompt":
        settings.setdefault("prompt_to_repeat", extra.get("prompt"))
    return settings


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
