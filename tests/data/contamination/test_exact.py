from abruzzi.data.contamination.exact import ExactIndex
from abruzzi.data.contamination.normalise import normalise


def test_finds_the_same_words_only() -> None:
    index = ExactIndex([normalise("What is $2+3$?"), normalise(r"Find $\frac12$ of 8.")])
    assert list(index.find(normalise("what is 2 + 3"))) == [(0, 1.0)]
    assert list(index.find(normalise(r"Find $\dfrac{1}{2}$ of $8$"))) == [(1, 1.0)]
    assert list(index.find(normalise("What is $2+3+4$?"))) == []
    assert list(index.find(normalise("What is $2+3$? Answer in words."))) == []
    assert list(index.find(())) == []
