"""Agreement that never holds the pipeline up."""

import anyio
import pytest

from abruzzi.errors import VerifierError
from abruzzi.reasoning.agreement import open_agreement


def decide(*pairs: tuple[str, str], limit_s: float = 20.0) -> list[bool]:
    async def main() -> list[bool]:
        async with open_agreement(limit_s) as agree:
            return [await agree(first, second) for first, second in pairs]

    return anyio.run(main)


def test_plain_answers_are_settled_at_once() -> None:
    assert decide(("42", "42.0"), ("1/2", "0.5"), ("42", "41"), ("Paris", "paris"), limit_s=0.001) == [
        True,
        True,
        False,
        True,
    ]


def test_algebra_is_settled_in_a_process_of_its_own() -> None:
    assert decide(("x^2 + 2x + 1", "(x+1)^2"), ("x+1", "x+2")) == [True, False]


def test_what_cannot_be_settled_in_time_is_an_error_and_the_next_pair_goes_on() -> None:
    async def main() -> bool:
        async with open_agreement(0.001) as agree:
            with pytest.raises(VerifierError, match="undecided after"):
                await agree("x^2 + 2x + 1", "(x+1)^2")
            return await agree("7", "7")

    assert anyio.run(main)
