r"""Scores instruction following as the public grader does: 1 when every instruction is followed, else 0.

Kept from there: only what stands between the first and the second ``</think>`` is judged; keywords, section words and
postscript markers are regular expressions; any line that begins with ``-`` is a bullet; blank paragraphs count as
places; a setting that is missing is drawn at random (here by the row, so that a run can be repeated).

Two libraries decide there. Languages are told apart by langdetect where it is installed (extra ``published``; its
random draws seeded), else as in ``instructions.language``. NLTK's trained model is not used: sentences are cut as in
``instructions.segments``, which differs on rare abbreviations.
"""

import random
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from abruzzi.verifiers.instructions import CHECKERS
from abruzzi.verifiers.instructions.language import can_be_in
from abruzzi.verifiers.instructions.segments import count_sentences
from abruzzi.verifiers.row import Row

Settings = dict[str, Any]
_RELATIONS = ("less than", "at least")
_CONTRACTION = re.compile(r"(?<=\w)(n't|'\w{1,2})\b", re.IGNORECASE)
_CAPITAL_TOKEN = re.compile(r"[\w.'/-]*\w")
_WORDS = ("western", "sentence", "signal", "dump", "spot", "opposite", "bottom", "potato", "administration", "working")
"""Where a keyword is missing, one of these stands in; the public list has a thousand."""


def score_instructions(row: Row) -> float:
    """Score a reply to IFEval's instructions.

    Raises:
        KeyError: an instruction is unknown.
        TypeError: a setting is not one of the instruction's, or ``extra`` is missing.
        ValueError: a relation is unknown, or there is no prompt to repeat.
        IndexError: there are fewer settings than instructions.
        NotImplementedError: IFBench and LiveBench, whose checkers are not rebuilt.
    """
    if row.data_source != "ood__ifeval":
        raise NotImplementedError(f"the checkers of {row.data_source!r} are not rebuilt here")
    reply = row.response.split("</think>")[1] if "</think>" in row.response else row.response
    rng = random.Random(f"{row.id} {row.response}")
    followed: list[bool] = []
    for i, name in enumerate(row.extra["instruction_id_list"]):
        settings = _complete(name, _given(row.ground_truth[i]), rng)
        check = _PUBLISHED.get(name, CHECKERS[name])
        followed.append(bool(reply.strip()) and check(reply, settings))
    return float(all(followed))


def _given(settings: Mapping[str, Any]) -> Settings:
    """Drop what is None and cut floats to integers."""
    given = {key: value for key, value in settings.items() if value is not None}
    return {key: int(value) if isinstance(value, float) else value for key, value in given.items()}


def _complete(name: str, given: Settings, rng: random.Random) -> Settings:
    """Fill in what is missing, and refuse what the instruction does not know."""
    defaults = {key: draw(rng) for key, draw in _DEFAULTS[name].items()}
    surplus = given.keys() - defaults.keys()
    if surplus:
        raise TypeError(f"{name} got an unexpected setting {surplus.pop()!r}")
    if name == "combination:repeat_prompt" and not given.get("prompt_to_repeat"):
        raise ValueError("prompt_to_repeat must be set")
    settings = {**defaults, **given}
    for key, value in settings.items():
        if key in {"relation", "let_relation", "capital_relation"} and value not in _RELATIONS:
            raise ValueError(f"{key} must be one of {_RELATIONS}, not {value!r}")
        if isinstance(value, int) and value < 0 and key != "capital_frequency":
            settings[key] = defaults[key]
    return settings


def _count(most: int) -> Callable[[random.Random], Any]:
    return lambda rng: rng.randint(1, most)


def _one_of(*options: str) -> Callable[[random.Random], Any]:
    return lambda rng: rng.choice(options)


def _two_words(rng: random.Random) -> Any:
    return rng.sample(_WORDS, 2)


_RELATION = _one_of(*_RELATIONS)
_DEFAULTS: dict[str, dict[str, Callable[[random.Random], Any]]] = {
    **{name: {} for name in CHECKERS},
    "keywords:existence": {"keywords": _two_words},
    "keywords:frequency": {"keyword": _one_of(*_WORDS), "frequency": _count(3), "relation": _RELATION},
    "keywords:forbidden_words": {"forbidden_words": _two_words},
    "keywords:letter_frequency": {"letter": lambda _: "", "let_frequency": _count(10), "let_relation": _RELATION},
    "language:response_language": {"language": _one_of("en", "es", "pt", "ar", "hi", "fr", "ru", "de", "ja", "it")},
    "length_constraints:number_sentences": {"num_sentences": _count(20), "relation": _RELATION},
    "length_constraints:number_paragraphs": {"num_paragraphs": _count(5)},
    "length_constraints:number_words": {"num_words": lambda rng: rng.randint(100, 500), "relation": _RELATION},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": _count(5),
        "nth_paragraph": _count(5),
        "first_word": _one_of(*_WORDS),
    },
    "detectable_content:number_placeholders": {"num_placeholders": _count(4)},
    "detectable_content:postscript": {"postscript_marker": _one_of("P.S.", "P.P.S")},
    "detectable_format:number_bullet_lists": {"num_bullets": _count(5)},
    "detectable_format:number_highlighted_sections": {"num_highlights": _count(4)},
    "detectable_format:multiple_sections": {
        "section_spliter": _one_of("Section", "SECTION"),
        "num_sections": _count(5),
    },
    "combination:repeat_prompt": {"prompt_to_repeat": lambda _: ""},
    "startend:end_checker": {
        "end_phrase": _one_of("Any other questions?", "Is there anything else I can help with?"),
    },
    "change_case:capital_word_frequency": {"capital_frequency": _count(20), "capital_relation": _RELATION},
}


def _compare(relation: str, count: int, threshold: int) -> bool:
    return count < threshold if relation == "less than" else count >= threshold


def _has_keywords(reply: str, settings: Settings) -> bool:
    return all(re.search(word, reply, re.IGNORECASE) for word in settings["keywords"])


def _has_keyword_often(reply: str, settings: Settings) -> bool:
    count = len(re.findall(settings["keyword"].strip(), reply, re.IGNORECASE))
    return _compare(settings["relation"], count, settings["frequency"])


def _avoids_words(reply: str, settings: Settings) -> bool:
    return not any(re.search(rf"\b{word}\b", reply, re.IGNORECASE) for word in settings["forbidden_words"])


def _has_letter_often(reply: str, settings: Settings) -> bool:
    """Count a letter; one that is not in a to z, or none, is drawn at random there and is ``e`` here."""
    letter = settings["letter"].lower()
    letter = letter if len(letter) == 1 and "a" <= letter <= "z" else "e"
    return _compare(settings["let_relation"], reply.lower().count(letter), settings["let_frequency"])


def _has_capital_words(reply: str, settings: Settings) -> bool:
    tokens = _CAPITAL_TOKEN.findall(_CONTRACTION.sub(r" \1", reply))
    count = sum(token.isupper() for token in tokens)
    return _compare(settings["capital_relation"], count, settings["capital_frequency"])


@cache
def _load_detector() -> Callable[[str, str], bool]:
    """Give the function that says whether a text is in a language; a text without letters is in every one."""
    if find_spec("langdetect") is None:
        return can_be_in
    package: Any = import_module("langdetect")
    package.DetectorFactory.seed = 0

    def is_in(reply: str, language: str) -> bool:
        try:
            return bool(package.detect(reply) == language)
        except package.LangDetectException:
            return True

    return is_in


def _is_in_language(reply: str, settings: Settings) -> bool:
    return _load_detector()(reply, settings["language"])


def _is_english_capitals(reply: str, _: Settings) -> bool:
    return reply.isupper() and _load_detector()(reply, "en")


def _is_english_lowercase(reply: str, _: Settings) -> bool:
    return reply.islower() and _load_detector()(reply, "en")


def _has_sentences(reply: str, settings: Settings) -> bool:
    count = count_sentences(reply, counts_enumerators=True)
    return _compare(settings["relation"], count, settings["num_sentences"])


def _has_first_word(reply: str, settings: Settings) -> bool:
    """Find the nth paragraph among all of them, blank ones included, and count the others only."""
    paragraphs, nth = reply.split("\n\n"), settings["nth_paragraph"]
    num_paragraphs = sum(bool(paragraph.strip()) for paragraph in paragraphs)
    nth = nth if 0 < nth <= settings["num_paragraphs"] else 1
    if nth > num_paragraphs or not paragraphs[nth - 1].strip():
        return False
    word = paragraphs[nth - 1].split()[0].lstrip("'").lstrip('"')
    first = re.split(r"[.,?!'\"]", word)[0].lower()
    return num_paragraphs == settings["num_paragraphs"] and first == settings["first_word"].lower()


def _has_placeholders(reply: str, settings: Settings) -> bool:
    return len(re.findall(r"\[.*?\]", reply)) >= settings["num_placeholders"]


def _has_postscript(reply: str, settings: Settings) -> bool:
    marker = str(settings["postscript_marker"]).strip()
    patterns = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(patterns.get(marker, marker.lower()), reply.lower()) is not None


def _has_bullets(reply: str, settings: Settings) -> bool:
    stars = re.findall(r"^\s*\*[^*].*$", reply, re.MULTILINE)
    return len(stars) + len(re.findall(r"^\s*-.*$", reply, re.MULTILINE)) == settings["num_bullets"]


def _is_constrained(reply: str, _: Settings) -> bool:
    return any(f"My answer is {word}." in reply for word in ("yes", "no", "maybe"))


def _has_highlights(reply: str, settings: Settings) -> bool:
    single = [text for text in re.findall(r"\*[^\n*]*\*", reply) if text.strip("*").strip()]
    double = [text for text in re.findall(r"\*\*[^\n*]*\*\*", reply) if text[2:-2].strip()]
    return len(single) + len(double) >= settings["num_highlights"]


def _has_sections(reply: str, settings: Settings) -> bool:
    heading = rf"\s?{settings['section_spliter'].strip()}\s?\d+\s?"
    return len(re.split(heading, reply)) - 1 >= settings["num_sections"]


def _has_no_comma(reply: str, _: Settings) -> bool:
    return "," not in reply


def _has_ending(reply: str, settings: Settings) -> bool:
    return reply.strip().strip('"').lower().endswith(settings["end_phrase"].strip().lower())


_PUBLISHED: dict[str, Callable[[str, Settings], bool]] = {
    "keywords:existence": _has_keywords,
    "keywords:frequency": _has_keyword_often,
    "keywords:forbidden_words": _avoids_words,
    "keywords:letter_frequency": _has_letter_often,
    "language:response_language": _is_in_language,
    "change_case:capital_word_frequency": _has_capital_words,
    "change_case:english_capital": _is_english_capitals,
    "change_case:english_lowercase": _is_english_lowercase,
    "length_constraints:number_sentences": _has_sentences,
    "length_constraints:nth_paragraph_first_word": _has_first_word,
    "detectable_content:number_placeholders": _has_placeholders,
    "detectable_content:postscript": _has_postscript,
    "detectable_format:number_bullet_lists": _has_bullets,
    "detectable_format:constrained_response": _is_constrained,
    "detectable_format:number_highlighted_sections": _has_highlights,
    "detectable_format:multiple_sections": _has_sections,
    "punctuation:no_comma": _has_no_comma,
    "startend:end_checker": _has_ending,
}
"""Checkers that differ from ours; the others are the same."""
