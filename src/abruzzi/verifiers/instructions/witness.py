"""Writes a reply that follows a row's instructions: a witness that they can be followed, for the self-check.

The reply says nothing. It is built from small words, from the inside out: words and sentences, lists and headings, then
what must stand at the beginning or the end. Instructions that contradict each other leave it short of one.
"""

import json
from collections.abc import Mapping
from typing import TypeVar

from abruzzi.verifiers.instructions.language import sample
from abruzzi.verifiers.instructions.layout import OPTIONS
from abruzzi.verifiers.instructions.segments import count_words
from abruzzi.verifiers.instructions.settings import Settings

T = TypeVar("T", int, str, list[str])

_FILLERS = (
    "we will go on",
    "you can do it",
    "this was a joy",
    "they have a map",
    "both of us sing",
    "all is fun",
    "ok",
)
"""English in small letters; each letter is missing from one of them."""


def write_witness(instructions: Mapping[str, Settings]) -> str:
    """Write a reply for instructions given by id."""
    if "detectable_format:constrained_response" in instructions:
        return OPTIONS[0]
    sentence = _choose_filler(instructions)
    body = _write_lists(_write_words(instructions, sentence), instructions, sentence)
    if "combination:two_responses" in instructions:
        body = f"{body}\n******\n{body} {sentence}"
    body = _write_ends(_write_paragraphs(body, instructions, sentence), instructions, sentence)
    if "change_case:english_capital" in instructions:
        body = body.upper()
    if "change_case:english_lowercase" in instructions:
        body = body.lower()
    if "detectable_format:json_format" in instructions:
        return json.dumps({"text": body}, ensure_ascii=False)
    return f'"{body}"' if "startend:quotation" in instructions else body


def _get(instructions: Mapping[str, Settings], name: str, setting: str, default: T) -> T:
    return type(default)(instructions.get(name, {}).get(setting, default))


def _at_least(instructions: Mapping[str, Settings], name: str, setting: str, relation: str = "relation") -> int:
    is_minimum = instructions.get(name, {}).get(relation) == "at least"
    return _get(instructions, name, setting, 0) if is_minimum else 0


def _choose_filler(instructions: Mapping[str, Settings]) -> str:
    language = _get(instructions, "language:response_language", "language", "")
    if language:
        return sample(language)
    avoided = [word.lower() for word in _get(instructions, "keywords:forbidden_words", "forbidden_words", list[str]())]
    for name, setting in (("keywords:letter_frequency", "letter"), ("keywords:frequency", "keyword")):
        avoided += [text.lower() for text in [_get(instructions, name, setting, "")] if text]
    return next((words for words in _FILLERS if not any(text in words for text in avoided)), _FILLERS[-1])


def _write_words(instructions: Mapping[str, Settings], sentence: str) -> str:
    words = [f"{sentence}."] * (_at_least(instructions, "length_constraints:number_sentences", "num_sentences") - 1)
    words += [sentence, *_get(instructions, "keywords:existence", "keywords", list[str]())]
    name = "keywords:frequency"
    words += [_get(instructions, name, "keyword", "")] * _at_least(instructions, name, "frequency")
    name = "keywords:letter_frequency"
    words.append(
        _get(instructions, name, "letter", "") * _at_least(instructions, name, "let_frequency", "let_relation")
    )
    name = "change_case:capital_word_frequency"
    words += ["YES"] * _at_least(instructions, name, "capital_frequency", "capital_relation")
    words += ["*so*"] * _get(instructions, "detectable_format:number_highlighted_sections", "num_highlights", 0)
    words += ["[so]"] * _get(instructions, "detectable_content:number_placeholders", "num_placeholders", 0)
    words += ["<<so>>"] * ("detectable_format:title" in instructions)
    wanted = _at_least(instructions, "length_constraints:number_words", "num_words")
    missing = max(0, wanted - count_words(" ".join(words)))
    words += (sentence.split() * missing)[:missing]
    return " ".join(word for word in words if word)


def _write_lists(body: str, instructions: Mapping[str, Settings], sentence: str) -> str:
    name = "detectable_format:multiple_sections"
    heading, count = _get(instructions, name, "section_spliter", ""), _get(instructions, name, "num_sections", 0)
    body += "".join(f"\n{heading} {i}\n{sentence}" for i in range(1, count + 1))
    return body + f"\n- {sentence}" * _get(instructions, "detectable_format:number_bullet_lists", "num_bullets", 0)


def _write_paragraphs(body: str, instructions: Mapping[str, Settings], sentence: str) -> str:
    count = _get(instructions, "length_constraints:number_paragraphs", "num_paragraphs", 1)
    body = "\n***\n".join([body] + [sentence] * (count - 1))
    name = "length_constraints:nth_paragraph_first_word"
    paragraphs = [body] + [sentence] * (_get(instructions, name, "num_paragraphs", 1) - 1)
    nth = _get(instructions, name, "nth_paragraph", 1)
    paragraphs[nth - 1] = f"{_get(instructions, name, 'first_word', '')} {paragraphs[nth - 1]}".strip()
    return "\n\n".join(paragraphs)


def _write_ends(body: str, instructions: Mapping[str, Settings], sentence: str) -> str:
    if "combination:repeat_prompt" in instructions:
        body = f"{_get(instructions, 'combination:repeat_prompt', 'prompt_to_repeat', '')}\n{body}"
    if "detectable_content:postscript" in instructions:
        body += f"\n{_get(instructions, 'detectable_content:postscript', 'postscript_marker', '')} {sentence}"
    if "startend:end_checker" in instructions:
        body += f"\n{_get(instructions, 'startend:end_checker', 'end_phrase', '')}"
    return body
