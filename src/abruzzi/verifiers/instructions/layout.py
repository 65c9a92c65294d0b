"""Checkers of length and form: words, sentences, paragraphs, lists, titles, JSON, beginnings and ends."""

import json
import re

from abruzzi.verifiers.instructions.segments import count_sentences, count_words, paragraphs_by_blank_lines
from abruzzi.verifiers.instructions.settings import Check, SettingError, Settings, get_number, get_text, holds

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
"""What a constrained response may be; the instruction takes no settings."""
_BULLET = re.compile(r"^[ \t]*[*-][ \t]+(?![-*_ \t]*$)\S", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*\*(?=[^\n*]*[^\n*\s])[^\n*]*\*\*|\*(?=[^\n*]*[^\n*\s])[^\n*]*\*")
_PLACEHOLDER = re.compile(r"\[(?=[^\[\]\n]*[^\[\]\s])[^\[\]\n]*\]")
_JSON_FENCE = re.compile(r"\A```(?:json)?|```\Z", re.IGNORECASE)


def has_word_count(reply: str, settings: Settings) -> bool:
    """As many words as asked."""
    return holds(settings, "relation", count_words(reply), get_number(settings, "num_words"))


def has_sentence_count(reply: str, settings: Settings) -> bool:
    """As many sentences as asked."""
    return holds(settings, "relation", count_sentences(reply), get_number(settings, "num_sentences"))


def has_divided_paragraphs(reply: str, settings: Settings) -> bool:
    """Exactly so many paragraphs between ``***`` dividers, none of them empty."""
    parts = [part.strip() for part in reply.split("***")]
    parts = parts[1 if not parts[0] else 0 : -1 if len(parts) > 1 and not parts[-1] else None]
    return all(parts) and len(parts) == get_number(settings, "num_paragraphs")


def has_first_word(reply: str, settings: Settings) -> bool:
    """Exactly so many paragraphs between empty lines, and the nth begins with the word."""
    paragraphs = paragraphs_by_blank_lines(reply)
    nth, count = get_number(settings, "nth_paragraph"), get_number(settings, "num_paragraphs")
    if not 1 <= nth <= count:
        raise SettingError(f"nth_paragraph is {nth}, of {count} paragraphs")
    if len(paragraphs) != count:
        return False
    word = paragraphs[nth - 1].split()[0].lstrip("'\"*_#“‘")
    return re.split(r"[.,?!'\":;*_”’]", word)[0].lower() == get_text(settings, "first_word").lower()


def has_placeholders(reply: str, settings: Settings) -> bool:
    """At least so many ``[placeholders]``."""
    return len(_PLACEHOLDER.findall(reply)) >= get_number(settings, "num_placeholders")


def has_postscript(reply: str, settings: Settings) -> bool:
    """The postscript's marker occurs, in any case, with or without spaces after its full stops."""
    marker = get_text(settings, "postscript_marker")
    letters = r"\s?".join(re.escape(part) for part in re.findall(r"[^.\s]+\.?|\.", marker))
    return re.search(rf"(?<!\w){letters}", reply, re.IGNORECASE) is not None


def has_bullets(reply: str, settings: Settings) -> bool:
    """Exactly so many lines that begin with ``*`` or ``-`` and a space; a divider or a minus sign is no bullet."""
    return len(_BULLET.findall(reply)) == get_number(settings, "num_bullets")


def is_constrained(reply: str, _: Settings) -> bool:
    """One of the allowed answers, and not a second one."""
    return sum(option in reply for option in OPTIONS) == 1


def has_highlights(reply: str, settings: Settings) -> bool:
    """At least so many ``*highlighted*`` or ``**highlighted**`` stretches."""
    return len(_HIGHLIGHT.findall(reply)) >= get_number(settings, "num_highlights")


def has_sections(reply: str, settings: Settings) -> bool:
    """At least so many headings of the word and a number, such as ``SECTION 1``."""
    heading = rf"{re.escape(get_text(settings, 'section_spliter'))}\s?\d+"
    return len(re.findall(heading, reply)) >= get_number(settings, "num_sections")


def is_json(reply: str, _: Settings) -> bool:
    """JSON as a whole, a fence around it aside."""
    try:
        json.loads(_JSON_FENCE.sub("", reply.strip()))
    except (ValueError, RecursionError):
        return False
    return True


def has_title(reply: str, _: Settings) -> bool:
    """A title in ``<<double angular brackets>>``."""
    for line in reply.splitlines():
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end - 2 and line[start:end].strip("<> "):
            return True
    return False


def is_two_responses(reply: str, _: Settings) -> bool:
    """Two different responses with ``******`` between them."""
    parts = [part.strip() for part in reply.split("******")]
    inner = parts[1:-1] if len(parts) > 2 else []
    responses = [part for part in parts if part]
    return all(inner) and len(responses) == 2 and responses[0] != responses[1]


def repeats_prompt(reply: str, settings: Settings) -> bool:
    """The request comes first, word for word."""
    return reply.strip().lower().startswith(get_text(settings, "prompt_to_repeat").lower())


def has_ending(reply: str, settings: Settings) -> bool:
    """Nothing but quotation marks follows the phrase."""
    return reply.strip().strip('"').strip().lower().endswith(get_text(settings, "end_phrase").lower())


def is_quoted(reply: str, _: Settings) -> bool:
    """Wrapped in double quotation marks."""
    text = reply.strip()
    return len(text) > 1 and text[0] == '"' and text[-1] == '"'


LAYOUT: dict[str, Check] = {
    "length_constraints:number_words": has_word_count,
    "length_constraints:number_sentences": has_sentence_count,
    "length_constraints:number_paragraphs": has_divided_paragraphs,
    "length_constraints:nth_paragraph_first_word": has_first_word,
    "detectable_content:number_placeholders": has_placeholders,
    "detectable_content:postscript": has_postscript,
    "detectable_format:number_bullet_lists": has_bullets,
    "detectable_format:constrained_response": is_constrained,
    "detectable_format:number_highlighted_sections": has_highlights,
    "detectable_format:multiple_sections": has_sections,
    "detectable_format:json_format": is_json,
    "detectable_format:title": has_title,
    "combination:two_responses": is_two_responses,
    "combination:repeat_prompt": repeats_prompt,
    "startend:end_checker": has_ending,
    "startend:quotation": is_quoted,
}
