from dataclasses import replace
from typing import Any

import pytest

from abruzzi.nouns import Outcome
from abruzzi.verifiers.instructions import (
    CHECKERS,
    InstructionsError,
    gold_reply_instructions,
    read_instructions,
    verify_instructions,
)
from abruzzi.verifiers.instructions.language import can_be_in
from abruzzi.verifiers.instructions.segments import count_sentences, count_words
from abruzzi.verifiers.row import Row


def ask(response: str, *instructions: tuple[str, dict[str, Any]]) -> Row:
    names, settings = [name for name, _ in instructions], [given for _, given in instructions]
    extra = {"instruction_id_list": names, "prompt": "Write a song."}
    return Row("1", "ood__ifeval", response, settings, extra)


def follows(name: str, settings: dict[str, Any], response: str) -> bool:
    outcome = verify_instructions(ask(response, (name, settings))).outcome
    assert outcome in {Outcome.CORRECT, Outcome.WRONG}
    return outcome is Outcome.CORRECT


FOLLOWED: list[tuple[str, dict[str, Any], str]] = [
    ("keywords:existence", {"keywords": ["cat", "C++"]}, "Cats like c++"),
    ("keywords:frequency", {"keyword": "a.b", "frequency": 2.0, "relation": "at least"}, "a.b A.B axb"),
    ("keywords:frequency", {"keyword": "cat", "frequency": 2, "relation": "less than"}, "one cat"),
    ("keywords:forbidden_words", {"forbidden_words": ["cat", "c++"]}, "concatenate c"),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 2, "let_relation": "at least"}, "# and #"),
    ("keywords:letter_frequency", {"letter": "Q", "let_frequency": 1, "let_relation": "less than"}, "none"),
    ("language:response_language", {"language": "es"}, "El perro es de la casa y no está con los gatos."),
    ("language:response_language", {"language": "hi"}, "यह घर में है और यह नहीं है"),
    ("language:response_language", {"language": "ko"}, "안녕하세요"),
    ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"}, "One. Two! Three"),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "less than"},
        "1. Dr. Who came.\n2. At 3.5 pm",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\none\n***\ntwo\n***"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "one two three"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        "first\n\n\n\n'then, it'",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] lives in [city name]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP. S. Write"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\np.p.s. Write"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n---\n- two\n-5 degrees"),
    ("detectable_format:constrained_response", {}, "My answer is maybe."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and **two words**"),
    ("detectable_format:multiple_sections", {"section_spliter": "Day (", "num_sections": 2}, "Day (1 x\nDay ( 2 y"),
    ("detectable_format:json_format", {}, '```JSON\n{"a": [1, 2]}\n```'),
    ("detectable_format:title", {}, "so\n<<a < b>>\n"),
    ("combination:two_responses", {}, "******\none\n******\ntwo"),
    ("combination:repeat_prompt", {}, "write a song. La la"),
    ("startend:end_checker", {"end_phrase": "Any questions?"}, '"So. any questions?"'),
    ("startend:quotation", {}, ' "quoted" '),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}, "WELL-KNOWN I am"),
    ("change_case:english_capital", {}, "THIS IS THE WAY"),
    ("change_case:english_lowercase", {}, "this is the way"),
    ("punctuation:no_comma", {}, "no such mark; none"),
]
IGNORED: list[tuple[str, dict[str, Any], str]] = [
    ("keywords:existence", {"keywords": ["cat", "."]}, "cats"),
    ("keywords:frequency", {"keyword": "a.b", "frequency": 1, "relation": "at least"}, "axb"),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "a CAT!"),
    ("keywords:letter_frequency", {"letter": "a", "let_frequency": 2, "let_relation": "less than"}, "Aa"),
    ("language:response_language", {"language": "es"}, "The dog is in the house and it was not with us."),
    ("language:response_language", {"language": "hi"}, "This is English"),
    ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "less than"}, "One. Two? Three."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, "one\n***\n***\ntwo"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "one two three"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "then"},
        "first\n\nthen",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 1}, "[] and [ ]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "tips. stop"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "1. one\n2. two"),
    ("detectable_format:constrained_response", {}, "My answer is yes. My answer is no."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "** ** and 2 \\times 3"),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2}, "SECTION 1 SECTION two"),
    ("detectable_format:json_format", {}, "{'a': 1}"),
    ("detectable_format:json_format", {}, "[" * 100_000),
    ("detectable_format:title", {}, "<< >> and <title>"),
    ("combination:two_responses", {}, "same\n******\nsame"),
    ("combination:two_responses", {}, "one\n******\n\n******\ntwo"),
    ("combination:repeat_prompt", {}, "Sure! Write a song. La"),
    ("startend:end_checker", {"end_phrase": "Any questions?"}, "Any questions? Bye"),
    ("startend:quotation", {}, '"'),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "less than"}, "I AM"),
    ("change_case:english_capital", {}, "DAS IST NICHT DER WEG UND DIE STADT"),
    ("change_case:english_lowercase", {}, "this is The way"),
    ("punctuation:no_comma", {}, "一，二"),
]


@pytest.mark.parametrize(("name", "settings", "response"), FOLLOWED)
def test_followed(name: str, settings: dict[str, Any], response: str) -> None:
    assert follows(name, settings, response)


@pytest.mark.parametrize(("name", "settings", "response"), IGNORED)
def test_ignored(name: str, settings: dict[str, Any], response: str) -> None:
    assert not follows(name, settings, response)


def test_every_checker_is_tested_both_ways() -> None:
    assert len(CHECKERS) == 25
    assert {name for name, _, _ in FOLLOWED} == {name for name, _, _ in IGNORED} == set(CHECKERS)


def test_correct_means_all_and_the_score_is_the_share() -> None:
    row = ask(
        "lower, case", ("punctuation:no_comma", {}), ("change_case:english_lowercase", {}), ("startend:quotation", {})
    )
    verdict = verify_instructions(row)
    assert verdict.outcome is Outcome.WRONG
    assert verdict.score == pytest.approx(1 / 3)
    assert "punctuation:no_comma" in verdict.reason
    assert "lowercase" not in verdict.reason


def test_thoughts_are_not_judged() -> None:
    assert follows("punctuation:no_comma", {}, "<think>well, so</think>fine")
    assert not follows("punctuation:no_comma", {}, "<think>a</think>fine</think>x, y")


@pytest.mark.parametrize("response", ["", " \n", "<think>x</think>", "<think>fine"])
def test_no_reply_is_unparsed(response: str) -> None:
    assert verify_instructions(ask(response, ("punctuation:no_comma", {}))).outcome is Outcome.UNPARSED


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("no:such_checker", {}),
        ("keywords:existence", {}),
        ("keywords:existence", {"keywords": "cat"}),
        ("keywords:frequency", {"keyword": "a", "frequency": 1, "relation": "at most"}),
        ("keywords:frequency", {"keyword": "a", "frequency": 1.5, "relation": "at least"}),
        ("keywords:frequency", {"keyword": "a", "frequency": -1, "relation": "at least"}),
        ("keywords:letter_frequency", {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}),
        ("language:response_language", {"language": "xx"}),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"}),
    ],
)
def test_a_broken_row_is_an_error_and_never_drawn_at_random(name: str, settings: dict[str, Any]) -> None:
    assert verify_instructions(ask("text", (name, settings))).outcome is Outcome.ERROR


def test_ids_and_settings_must_fit() -> None:
    row = replace(ask("x", ("punctuation:no_comma", {})), ground_truth=[{}, {}])
    assert verify_instructions(row).outcome is Outcome.ERROR
    with pytest.raises(InstructionsError):
        read_instructions(replace(row, extra={}))


@pytest.mark.parametrize(("source", "missing"), [("ood__ifbench", "IFBench"), ("ood__livebench", "LiveBench")])
def test_what_is_not_built_says_so(source: str, missing: str) -> None:
    verdict = verify_instructions(Row("1", source, "text", [{"instruction_id": ["count:numbers"]}]))
    assert verdict.outcome is Outcome.ERROR
    assert missing in verdict.reason


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One", 1),
        ("One. Two.", 2),
        ("Is it? Yes! Good...", 3),
        ("Dr. Who met Mr. J. Smith at 3.5 p.m. in the U.S. yesterday.", 1),
        ("He said it etc. Then he went.", 2),
        ("Well... maybe so. ok", 2),
        ('"Go." She went.', 2),
        ("1. first\n2. second", 1),
        ("你好。再见。", 2),
        ("see example.com/a.b for more", 1),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text) == count


def test_words_are_runs_of_letters_and_digits() -> None:
    assert count_words("don't stop-ever 42") == 5


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("O gato está na casa e não é meu", "pt"),
        ("Le chat est dans la maison et il ne dort pas", "fr"),
        ("Der Hund ist nicht in dem Haus und sie auch", "de"),
        ("Il gatto è nella casa e non si muove, ma anche lui", "it"),
        ("Это не то, что мы хотели", "ru"),
        ("Це не те що ми хотіли, але він був", "uk"),
        ("هذا هو البيت الذي كان على التل", "ar"),
        ("یہ گھر میں ہے اور وہ نہیں", "ur"),
        ("これは日本語です", "ja"),
        ("这是中文", "zh"),
        ("Mimi na wewe ni watu wa hii nchi kwa sasa", "sw"),
        ("Tôi và bạn là những người của này", "vi"),
        ("42!", "th"),
    ],
)
def test_a_text_can_be_in_its_language_only(text: str, language: str) -> None:
    others = {"en", "es", "pt", "fr", "de", "it", "ru", "uk", "ar", "ur", "ja", "zh", "sw", "vi", "ko"} - {language}
    assert can_be_in(text, language)
    assert not any(can_be_in(text, other) for other in others) or not any(map(str.isalpha, text))


@pytest.mark.parametrize(("name", "settings", "_response"), FOLLOWED)
def test_the_witness_follows_each_instruction(name: str, settings: dict[str, Any], _response: str) -> None:
    row = ask("", (name, settings))
    assert verify_instructions(replace(row, response=gold_reply_instructions(row))).outcome is Outcome.CORRECT


def test_the_witness_follows_many_at_once() -> None:
    row = ask(
        "",
        ("length_constraints:number_words", {"num_words": 300, "relation": "at least"}),
        ("length_constraints:number_words", {"num_words": 320, "relation": "less than"}),
        ("punctuation:no_comma", {}),
        ("keywords:letter_frequency", {"letter": "o", "let_frequency": 3, "let_relation": "less than"}),
        ("detectable_format:title", {}),
        ("startend:end_checker", {"end_phrase": "The end"}),
    )
    assert verify_instructions(replace(row, response=gold_reply_instructions(row))).outcome is Outcome.CORRECT
