"""Fuzzes answer extraction, guided by coverage: no crash, no hang, and what it promises holds on any text.

Run by hand (needs the package ``atheris``, which is not among the locked ones):

    python tests/fuzz/fuzz_extract.py -max_total_time=1200 -timeout=5 CORPUS_FOLDER

``-timeout`` makes a hang a failure. The corpus folder keeps what found new paths.
"""

import importlib
import sys
from typing import Any

atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports():
    from abruzzi.verifiers.extract import extract_answer, split_thinking

WORDS = ("<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "The answer is ", "#### ", "**", "\n", "=")
"""What extraction looks for."""


def fuzz_one(data: bytes) -> None:
    """Extract from one text made of fuzzed characters and of the words that extraction looks for."""
    source = atheris.FuzzedDataProvider(data)
    pieces: list[str] = []
    while source.remaining_bytes() > 0:
        is_word = bool(source.ConsumeIntInRange(0, 3))
        pieces.append(WORDS[int(source.ConsumeIntInRange(0, len(WORDS) - 1))] if is_word else source.ConsumeUnicode(24))
    text = "".join(pieces)
    reply = split_thinking(text)
    assert reply.text in text
    found = extract_answer(text)
    if found is not None:
        assert found.text.strip()
        assert extract_answer(text) == found


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
