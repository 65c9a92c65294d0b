"""How questions are put: programs, functions, choices. Mathematics is asked as it stands.

The solver's own prompt already says to think first and to put the final answer inside ``<answer>``; what is added here
is only what an answer of this kind must look like, so that the verifiers can read it. The words are ours; a change of
them changes the hash of the items, and with it what their scores may be compared with.
"""

from collections.abc import Sequence

_FENCE = "in one fenced block that begins with ```python"
FIRST_LETTER = "A"


def ask_program(statement: str) -> str:
    """Ask for a program that reads standard input."""
    return (
        f"{statement.strip()}\n\nWrite a Python program that reads its input from standard input and writes its output "
        f"to standard output. Answer with the whole program {_FENCE}."
    )


def ask_function(statement: str, start: str = "") -> str:
    """Ask for a function or class, of which the beginning may be given."""
    given = f"\n\nBegin with:\n```python\n{start.strip()}\n```" if start.strip() else ""
    return (
        f"{statement.strip()}{given}\n\nAnswer with the whole Python code, what it imports included, {_FENCE}."
        " Do not add tests or examples to it."
    )


def ask_choice(question: str, options: Sequence[str]) -> str:
    """Ask for the letter of one of the options."""
    lines = "\n".join(f"({to_letter(i)}) {option.strip()}" for i, option in enumerate(options))
    return f"{question.strip()}\n\n{lines}\n\nThe answer is the letter of the right option, and nothing else."


def to_letter(place: int) -> str:
    """Give the letter of the option at a place, counted from 0."""
    return chr(ord(FIRST_LETTER) + place)
