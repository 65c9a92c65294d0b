"""The published pipeline, call by call."""

from abruzzi.models.scripted import Reply, fail, hang, reply
from abruzzi.nouns import Candidate, DecidedBy, FinishReason, Role
from abruzzi.reasoning.paper import NO_ANSWER, read_plan_tag, shown_text
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import ask, scripted

PAPER = AskSettings(preset="paper")
HARD = reply(json={"is_hard_problem": True, "plan": "thrown away", "search_list": ["a", "b"]})
EASY = reply(json={"is_hard_problem": False, "plan": "", "search_list": []})
PLANS = [reply("<think>x</think><plan>Do it.</plan>")] * 3


def index(value: object) -> Reply:
    return reply(json={"index": value, "explanation": "because"})


def solved(*values: int) -> list[Reply]:
    return [reply(f"<answer>{value}</answer>", reasoning="so", seconds=value) for value in values]


def test_a_hard_question_takes_eleven_calls() -> None:
    model = scripted(topics=[HARD] * 3, planner=PLANS, solver=solved(1, 2, 3), judge=[index(0), index(1)])
    asked = ask(model, settings=PAPER)
    assert len(asked.run.ledger.calls) == 11
    assert (asked.answer.answer, asked.answer.decided_by) == ("3", DecidedBy.JUDGE)
    assert [(j.first, j.second, j.winner) for j in asked.answer.judgements] == [(0, 1, 0), (0, 2, 2)]


def test_an_easy_question_takes_eight_and_sees_no_plan() -> None:
    model = scripted(topics=[EASY] * 3, solver=solved(1, 2, 3), judge=[index(0), index(0)])
    asked = ask(model, settings=PAPER)
    assert len(asked.run.ledger.calls) == 8
    assert asked.answer.answer == "1"
    assert model.requests_of(Role.SOLVER)[0].messages[1].content == "What is 17 + 25?"


def test_the_requests_are_the_published_ones() -> None:
    model = scripted(topics=[HARD] * 3, planner=PLANS, solver=solved(1, 2, 3), judge=[index(0)] * 2)
    ask(model, settings=PAPER)
    planner, solver = model.requests_of(Role.PLANNER)[0], model.requests_of(Role.SOLVER)[0]
    assert "['a', 'b']" in planner.messages[0].content
    assert "<ideas>Do it.</ideas>" in solver.messages[1].content
    assert (solver.temperature, solver.top_p, solver.max_tokens, solver.stop, solver.n) == (1.0, None, None, (), 1)
    judge = model.requests_of(Role.JUDGE)[0].messages[1].content
    assert "Response 0: <answer>1</answer>" in judge
    assert "Response 1: <answer>2</answer>" in judge


def test_a_sample_whose_gate_or_planner_fails_is_lost_alone() -> None:
    model = scripted(
        topics=[HARD, reply("not json"), HARD],
        planner=[fail("down"), PLANS[0]],
        solver=solved(2),
    )
    asked = ask(model, settings=PAPER)
    assert asked.answer.answer == "2"
    assert [c.finish_reason for c in asked.answer.candidates].count(FinishReason.ERROR) == 2


def test_a_failing_judge_keeps_the_champion() -> None:
    for bad in (fail("down"), reply("no json"), index(7), reply('{"better_index": 1}')):
        model = scripted(topics=[EASY] * 3, solver=solved(1, 2, 3), judge=[bad, bad])
        asked = ask(model, settings=PAPER)
        assert (asked.answer.answer, asked.answer.decided_by) == ("1", DecidedBy.FIRST)


def test_after_the_soft_deadline_the_finished_samples_are_judged() -> None:
    limits = PAPER.model_copy(update={"soft_deadline_s": 10.0, "hard_deadline_s": 20.0})
    model = scripted(topics=[EASY] * 3, solver=[*solved(1, 2), hang()], judge=[index(1)])
    asked = ask(model, settings=limits)
    assert asked.answer.answer == "2"
    assert 10 <= asked.answer.seconds < 11


def test_plan_tags_are_read_as_published() -> None:
    assert read_plan_tag("<think>a</think><plan>b</plan> c") == "b"
    assert read_plan_tag("no tags") == "no tags"
    assert read_plan_tag("<plan>unclosed") == "<plan>unclosed"
    assert read_plan_tag("<plan>a</plan> and <plan>b</plan>") == "b"


def test_the_judge_sees_a_phrase_and_a_tail_where_no_thought_was_closed() -> None:
    def candidate(text: str, reasoning: str) -> Candidate:
        return Candidate(0, text, reasoning, None, FinishReason.STOP, None, 1.0)

    assert shown_text(candidate("<answer>1</answer>", "so")) == "<answer>1</answer>"
    assert shown_text(candidate("x" * 3000, "")) == NO_ANSWER + "x" * 2000
    assert shown_text(candidate("", "y" * 3000)) == NO_ANSWER + "y" * 2000
