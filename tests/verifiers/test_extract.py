import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.extract import How, extract_answer, split_thinking, tidy


@pytest.mark.parametrize(
    ("reply", "answer", "how"),
    [
        ("<think>a</think>\\boxed{1} then <think>b</think>\\boxed{42}", "42", How.BOXED),
        ("thoughts whose opening tag the prompt held</think>\\boxed{42}", "42", How.BOXED),
        ("so <answer>42</answer>", "42", How.ANSWER_TAG),
        ("so <answer>42", "42", How.ANSWER_TAG),
        ("<Answer>\n 42 \n</ANSWER>", "42", How.ANSWER_TAG),
        ("<answer><answer>42</answer></answer>", "42", How.ANSWER_TAG),
        ("<answer>42</answer> in the form <answer>...</answer>", "42", How.ANSWER_TAG),
        ("<answer>41</answer><answer>42</answer>", "42", How.ANSWER_TAG),
        ("<answer>Hence \\boxed{42} apples</answer>", "42", How.ANSWER_TAG),
        ("<answer>The final answer is 42.</answer>", "42", How.ANSWER_TAG),
        ("<answer>[[1, 2],\n [3, 4]]</answer>", "[[1, 2],\n [3, 4]]", How.ANSWER_TAG),
        ("\\boxed{42} and <answer></answer>", "42", How.BOXED),
        ("\\boxed{41} or \\boxed{42}", "41, 42", How.BOXED),
        ("\\boxed{41} \\boxed{}", "41", How.BOXED),
        ("\\fbox{42}", "42", How.BOXED),
        ("\\boxed {\\frac{1}{2}}", "\\frac{1}{2}", How.BOXED),
        ("\\boxed{\\left\\{1, 2\\right\\}}", "\\left\\{1, 2\\right\\}", How.BOXED),
        ("\\boxed{42\\\\}", "42\\\\", How.BOXED),
        ("$\\boxed 42$", "42", How.BOXED),
        ("\\boxed{\\boxed{42}}", "42", How.BOXED),
        ("\\boxed{42} " + "blah " * 4000, "42", How.BOXED),
        ("\\boxed{4} is wrong. The answer is 5.", "4", How.BOXED),
        ('{"reasoning": "3 * 4", "answer": "12"}', "12", How.JSON),
        ('{"answer": 12.5}', "12.5", How.JSON),
        ("The answer is 42. Done", "42", How.MARKER),
        ("The answer is 3.5 cm.", "3.5 cm", How.MARKER),
        ("The answer is 41.\nNo: the answer is 42.", "42", How.MARKER),
        ("The correct answer is **(B) Paris**, of course.", "(B) Paris", How.MARKER),
        ("The answer is B. Because A is not.", "B", How.MARKER),
        ("The answer to the question is $\\frac{1}{2}$.", "\\frac{1}{2}", How.MARKER),
        ("**Final Answer:** 12 apples", "12 apples", How.MARKER),
        ("**Answer**: 12", "12", How.MARKER),
        ("Steps\n\n# Answer\n\n29", "29", How.MARKER),
        ("**Final Answer**\n\n\\[42\\]", "42", How.MARKER),
        ("The answer is:\n\n$$\n42\n$$\n", "42", How.MARKER),
        ("work\n#### 1,234", "1,234", How.MARKER),
        ("Answer: 3 or 4", "3 or 4", How.MARKER),
        ("so\n**42**", "42", How.LAST_LINE),
        ("First 1.\nThat makes 6 * 7 = 42.", "42", How.LAST_LINE),
        ("It takes 5 days.\nIn all he earns $1,260 in those days.", "$1,260", How.LAST_LINE),
        ("Paris", "Paris", How.LAST_LINE),
        ("so 9.\nA: 90,000", "90,000", How.LAST_LINE),
        ("12 apples", "12 apples", How.LAST_LINE),
        ("17 + 25 is the same as 42.", "42", How.LAST_LINE),
        ("```\nx\n42\n```", "42", How.LAST_LINE),
    ],
)
def test_conventions(reply: str, answer: str, how: How) -> None:
    found = extract_answer(reply)
    assert found is not None
    assert (found.text, found.how, found.is_whole) == (answer, how, True)


@pytest.mark.parametrize(
    "reply", ["", " \n", "<think>hm, 42", "\\boxed{42}</think>", "x" * 20_000, "<answer></answer>", "\\boxed{ }"]
)
def test_no_answer(reply: str) -> None:
    assert extract_answer(reply) is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("\\boxed{42", "42"),
        ("\\boxed{41}, no: \\boxed{\\frac{1}{2", "\\frac{1}{2"),
        ("<think>perhaps \\boxed{42} but", "42"),
    ],
)
def test_broken_off_replies_are_marked(reply: str, answer: str) -> None:
    found = extract_answer(reply)
    assert found is not None
    assert (found.text, found.is_whole) == (answer, False)


def test_split_thinking_keeps_all_text() -> None:
    reply = split_thinking("<think>a</think>b<think>c</think>d")
    assert (reply.thoughts, reply.text, reply.is_closed) == ("a</think>b<think>c", "d", True)
    assert split_thinking("no tags").text == "no tags"
    assert not split_thinking("<think>never").is_closed


def test_tidy_unwraps_prose() -> None:
    assert tidy(" **$42$**. ") == "42"
    assert tidy("$1$ and $2$") == "$1$ and $2$"


@pytest.mark.parametrize(
    "piece",
    [
        *("\\boxed{", "\\boxed{}", "\\fbox", "<answer>", "<answer>.", "</answer>", "</think>", "<think>", "answer is "),
        *(
            "answer to a",
            "final answer\n",
            "#### ",
            '"answer": ',
            '"answer": [',
            "{",
            "\\",
            "**",
            "**a",
            "=",
            "1,",
            "-$",
        ),
        *("\n", " ", "\x00", "Dr. ", "[" * 10, "answer" + "*" * 5, "1" * 10),
    ],
)
def test_two_megabytes_take_two_seconds_at_most(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    started = time.process_time()
    extract_answer(text)
    assert time.process_time() - started < 2


PIECES = [*"<>/\\{}[]$*#=:.\n 1aZ-,", "answer", "boxed", "<answer>", "\\boxed{", "</think>", "The answer is "]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_total_on_any_text(text: str) -> None:
    found = extract_answer(text)
    assert found is None or found.text.strip()


@given(st.text(st.characters(exclude_characters="{}\\<>.…"), min_size=1).filter(lambda s: bool(s.strip())))
def test_a_boxed_answer_comes_back(answer: str) -> None:
    found = extract_answer(f"So \\boxed{{{answer}}} it is.")
    assert found is not None
    assert found.text == answer.strip()
