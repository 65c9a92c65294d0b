"""Groups answers that agree, whatever the order in which they came.

Clusters are the connected components of the graph whose edges are agreeing pairs: two answers are in one cluster when a
chain of agreeing answers joins them. That is the partition which no order of the answers can change, also where
agreement is not quite transitive.
"""

from collections.abc import Callable, Sequence

from abruzzi.verifiers.agree import agree


def cluster(answers: Sequence[str | None], agrees: Callable[[str, str], bool] = agree) -> tuple[int | None, ...]:
    """Number each answer's cluster.

    Args:
        answers: one per candidate; None for a candidate without an answer.
        agrees: symmetric; called at most once per pair of different texts.

    Returns:
        A number per answer, None for None. The largest cluster is 0; equally large ones are numbered by their first
        answer.
    """
    texts = list(dict.fromkeys(answer for answer in answers if answer is not None))
    root = {text: text for text in texts}

    def find(text: str) -> str:
        while root[text] != text:
            text = root[text]
        return text

    for i, first in enumerate(texts):
        for second in texts[i + 1 :]:
            if find(first) != find(second) and agrees(first, second):
                root[find(second)] = find(first)
    leaders = [None if answer is None else find(answer) for answer in answers]
    sizes = {leader: leaders.count(leader) for leader in leaders if leader is not None}
    by_size = sorted(sizes, key=lambda leader: -sizes[leader])
    return tuple(None if leader is None else by_size.index(leader) for leader in leaders)
