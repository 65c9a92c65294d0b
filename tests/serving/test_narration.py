"""Events become two channels of text; what a client has read is never taken back."""

from dataclasses import replace

import pytest

from abruzzi.nouns import Candidate, FinishReason, Judgement, Plan, PlanOutcome, ToolCall, Vote
from abruzzi.reasoning.adaptive import Action, Choice, State, Stock
from abruzzi.reasoning.events import (
    CandidateDelta,
    CandidateEnded,
    CandidateRestarted,
    CandidatesStarted,
    Chose,
    Event,
    JudgementMade,
    PlanDelta,
    PlanMade,
    PlanStarted,
    Settled,
    Warned,
)
from abruzzi.serving.narration import Narrator, PlanReader, describe
from abruzzi.serving.refusal import Refusal

CANDIDATE = Candidate(0, "<answer>42</answer>", "", "42", FinishReason.STOP, 0, 1.0)


def tell(narrator: Narrator, *events: Event) -> dict[str, str]:
    told = {"reasoning": "", "content": ""}
    for event in events:
        for piece in narrator.hear(event):
            told[piece.channel] += piece.text
    return told


def say(text: str) -> CandidateDelta:
    return CandidateDelta(0, text, is_reasoning=False)


def think(text: str) -> CandidateDelta:
    return CandidateDelta(0, text, is_reasoning=True)


def test_steps_of_several_candidates_are_thoughts() -> None:
    votes = (Vote(0, 0, "The first\nadds up."), Vote(1, None, "", error="no verdict"))
    told = tell(
        Narrator(is_live=False),
        PlanStarted("m"),
        PlanDelta('{"plan": "Add '),
        PlanDelta('the tens."}'),
        PlanMade(Plan(PlanOutcome.PLANNED, "Add the tens.")),
        CandidatesStarted(3, "m"),
        say("not told"),
        CandidateEnded(CANDIDATE),
        CandidateEnded(replace(CANDIDATE, index=1, answer=None)),
        Settled(0, 2, 1),
        JudgementMade(Judgement(0, 1, 0, votes)),
        Warned("the judge gave no verdict"),
    )
    assert told["content"] == ""
    assert told["reasoning"].splitlines() == [
        "Planning.",
        "Add the tens.",
        "",
        "Asking for 3 candidates.",
        "Candidate 1 of 3 ended: 42",
        "Candidate 2 of 3 ended: it holds no clear answer",
        "2 candidates agree; the remaining 1 can no longer change that.",
        "The judge compared candidates 1 and 2: candidate 1 is preferred.",
        "  With candidate 1 first: The first adds up.",
        "Note: the judge gave no verdict",
    ]


def test_what_was_chosen_while_adapting_is_told_with_its_reason() -> None:
    state = State(n=5, votes=(), seconds=Stock(1200, 1200))
    chosen = Chose(Choice(Action.SAMPLE, "2 agree first", state, n=2, max_tokens=100))
    told = tell(Narrator(is_live=False), chosen, CandidatesStarted(2, "m"))["reasoning"]
    assert told == "Chose 2 more candidates of at most 100 tokens: 2 agree first.\nAsking for 2 candidates.\n"


def test_a_plan_that_did_not_stream_is_told_whole_and_a_missing_one_says_why() -> None:
    assert tell(Narrator(is_live=False), PlanMade(Plan(PlanOutcome.PLANNED, "Add.")))["reasoning"] == "Add.\n\n"
    easy = PlanMade(Plan(PlanOutcome.NOT_NEEDED, reason="the question is easy"))
    assert tell(Narrator(is_live=False), easy)["reasoning"] == "No plan: the question is easy\n"


def test_a_single_candidate_is_told_as_it_is_written() -> None:
    narrator = Narrator(is_live=True)
    told = tell(
        narrator,
        CandidatesStarted(1, "m"),
        think("Hm. "),
        say("It is <ans"),
        say("wer>42</"),
        CandidateEnded(CANDIDATE),
    )
    assert told == {"reasoning": "Hm. ", "content": "It is 42"}


def test_the_upstreams_choices_stay_as_they_are() -> None:
    narrator = Narrator(is_live=True, is_upstream=True)
    pieces = [
        p
        for e in (CandidatesStarted(2, "m"), CandidateDelta(1, "<answer>", is_reasoning=False))
        for p in narrator.hear(e)
    ]
    assert [(piece.index, piece.text) for piece in pieces] == [(1, "<answer>")]


def test_a_stream_that_begins_again_with_the_same_words_goes_on() -> None:
    narrator = Narrator(is_live=True)
    told = tell(
        narrator, say("It is "), say("for"), CandidateRestarted(0, "cut"), say("It "), say("is forty"), say("-two")
    )
    assert told["content"] == "It is forty-two"


def test_a_stream_that_begins_again_with_other_words_ends() -> None:
    with pytest.raises(Refusal, match="began a different one") as caught:
        tell(Narrator(is_live=True), say("It is 41"), CandidateRestarted(0, "cut"), say("It is 42"))
    assert caught.value.status == 502


def test_thoughts_that_were_taken_for_text_stay_and_the_answer_follows() -> None:
    narrator = Narrator(is_live=True)
    told = tell(
        narrator,
        say("Let me "),
        say("add. "),
        CandidateRestarted(0, "inside a thought"),
        think("Let me add."),
        say("It is 42"),
        say("."),
    )
    assert told == {"reasoning": "", "content": "Let me add. \n\nIt is 42."}


def test_a_restart_before_any_text_changes_nothing() -> None:
    told = tell(Narrator(is_live=True), think("Hm"), CandidateRestarted(0, "cut"), think("Hm"), say("42"))
    assert told["content"] == "42"


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (CANDIDATE, "42"),
        (replace(CANDIDATE, answer="x" * 300), "x" * 199 + "…"),
        (replace(CANDIDATE, finish_reason=FinishReason.ERROR, error="cut"), "it failed: cut"),
        (replace(CANDIDATE, finish_reason=FinishReason.CANCELLED), "it was cancelled"),
        (replace(CANDIDATE, finish_reason=FinishReason.LENGTH), "it was cut at its token limit"),
        (
            replace(CANDIDATE, finish_reason=FinishReason.TOOL_CALLS, tool_calls=(ToolCall("1", "add", "{}"),)),
            "it calls add",
        ),
    ],
)
def test_how_a_candidate_ended(candidate: Candidate, words: str) -> None:
    assert describe(candidate) == words


def test_a_plan_is_read_out_of_growing_json() -> None:
    reader = PlanReader()
    pieces = ["Sure: ", '{"topics": ["a', 'dd"], "pl', 'an": "One\\', "nTwo", '"}', " Done"]
    assert [reader.feed(piece) for piece in pieces] == ["", "", "", "One", "\nTwo", "", ""]
    assert PlanReader().feed("no json at all") == ""
    assert PlanReader().feed('{"plan": 5}') == ""
