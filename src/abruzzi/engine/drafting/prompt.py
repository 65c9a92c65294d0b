"""Tells the tokens of a rendered prompt apart by what they quote: question, plan, the candidates a judge compares.

They are found by the marks that the pipeline's prompts put around them; a test holds this to those prompts. The
prompt's own words (instructions, marks, the chat template), and all of a prompt that is not the pipeline's, are
``other``. A token belongs to the stretch in which it begins.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

from abruzzi.engine.drafting.text import Part, Source

_QUOTED = re.compile(
    r"<question>\n(?P<question>.*?)\n</question>"
    r"|<plan>\n(?P<plan>.*?)\n</plan>"
    r"|\[(?P<mark>[0-9a-f]{16}) (?P<order>first|second) response begins\]\n"
    r"(?P<sibling>.*?)\n\[(?P=mark) (?P=order) response ends\]",
    re.DOTALL,
)


def label_prompt(text: str, ids: Sequence[int], starts: Sequence[int]) -> tuple[Part, ...]:
    """Cut a prompt into parts.

    Args:
        text: as the chat template rendered it.
        ids: its tokens.
        starts: the character at which each token begins.
    """
    edges, names = [0], [Source.OTHER]
    for found in _QUOTED.finditer(text):
        source = next(source for source in (Source.QUESTION, Source.PLAN, Source.SIBLING) if found[source] is not None)
        edges += found.span(source)
        names += [source, Source.OTHER]
    labelled = [(names[bisect_right(edges, start) - 1], token) for start, token in zip(starts, ids, strict=True)]
    return tuple(
        Part(source, tuple(token for _, token in run)) for source, run in groupby(labelled, key=lambda pair: pair[0])
    )
