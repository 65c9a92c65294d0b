"""Checkers of words: keywords, letters, case, commas, language."""

import re

from abruzzi.verifiers.instructions.language import can_be_in, is_known
from abruzzi.verifiers.instructions.settings import (
    Check,
    SettingError,
    Settings,
    get_number,
    get_text,
    get_texts,
    holds,
)

_CAPITAL_WORD = re.compile(r"\w+(?:['’.&/-]\w+)*")
_COMMAS = re.compile("[,，、،]")


def has_keywords(reply: str, settings: Settings) -> bool:
    """Each keyword occurs, in any case, also inside a longer word."""
    return all(word.lower() in reply.lower() for word in get_texts(settings, "keywords"))


def has_keyword_often(reply: str, settings: Settings) -> bool:
    """The keyword occurs as often as asked, in any case, also inside longer words."""
    count = reply.lower().count(get_text(settings, "keyword").lower())
    return holds(settings, "relation", count, get_number(settings, "frequency"))


def avoids_words(reply: str, settings: Settings) -> bool:
    """No forbidden word occurs as a word of its own."""
    words = get_texts(settings, "forbidden_words")
    return not any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", reply, re.IGNORECASE) for word in words)


def has_letter_often(reply: str, settings: Settings) -> bool:
    """The letter (or any other single character) occurs as often as asked, in either case."""
    letter = get_text(settings, "letter").lower()
    if len(letter) != 1:
        raise SettingError(f"letter is {letter!r}, not one character")
    return holds(settings, "let_relation", reply.lower().count(letter), get_number(settings, "let_frequency"))


def has_capital_words(reply: str, settings: Settings) -> bool:
    """Words all in capitals occur as often as asked; a hyphenated word is one."""
    count = sum(word.isupper() for word in _CAPITAL_WORD.findall(reply))
    return holds(settings, "capital_relation", count, get_number(settings, "capital_frequency"))


def is_english_capitals(reply: str, _: Settings) -> bool:
    """No small letter, and English as far as can be told."""
    return reply.isupper() and can_be_in(reply, "en")


def is_english_lowercase(reply: str, _: Settings) -> bool:
    """No capital letter, and English as far as can be told."""
    return reply.islower() and can_be_in(reply, "en")


def is_in_language(reply: str, settings: Settings) -> bool:
    """In the language asked for, as far as can be told."""
    language = get_text(settings, "language")
    if not is_known(language):
        raise SettingError(f"language is {language!r}, which this verifier cannot tell from others")
    return can_be_in(reply, language)


def has_no_comma(reply: str, _: Settings) -> bool:
    """No comma of any script."""
    return _COMMAS.search(reply) is None


WORDING: dict[str, Check] = {
    "keywords:existence": has_keywords,
    "keywords:frequency": has_keyword_often,
    "keywords:forbidden_words": avoids_words,
    "keywords:letter_frequency": has_letter_often,
    "change_case:capital_word_frequency": has_capital_words,
    "change_case:english_capital": is_english_capitals,
    "change_case:english_lowercase": is_english_lowercase,
    "language:response_language": is_in_language,
    "punctuation:no_comma": has_no_comma,
}
