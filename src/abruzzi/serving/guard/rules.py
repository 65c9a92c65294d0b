"""Which rules look at which channel: those that come with Abruzzi, and the operator's own.

Questions are searched for the usual ways of asking a model to drop its instructions or to show them; answers and
reasoning for secrets, which are taken out. The operator's own phrases stand in a TOML file:

    [[pattern]]
    phrase = "project zebra"            # see ``phrases``
    in = ["answer", "reasoning"]        # or "question"
    action = "redact"                   # or "refuse"; a question is refused
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abruzzi.config import describe_problem
from abruzzi.errors import ConfigError
from abruzzi.serving.guard.key_shapes import KEY_SHAPES
from abruzzi.serving.guard.phrases import Phrase
from abruzzi.serving.guard.scan import Rule

Channel = Literal["question", "answer", "reasoning"]

_DROP = "ignore|disregard|forget|override|bypass|discard|do not follow|don't follow|stop following"
_EARLIER = "previous|prior|above|earlier|preceding|foregoing|existing|original|system|all your|your"
_ORDERS = "instruction|guideline|prompt|direction|directive|constraint|restriction|programming"
_SHOW = (
    "reveal|show me|show your|print|repeat|output|display|write out|tell me|give me|leak|expose|recite|copy|dump"
    "|what is|what are|what was|what were|summarize|summarise|translate|encode|spell"
)
_HIDDEN = (
    "system prompt|system message|hidden prompt|initial prompt|initial instruction|hidden instruction"
    "|secret instruction|original instruction"
)
_THE_HIDDEN = _HIDDEN.replace("|", "|the ")
_FREE = "jailbroken|unrestricted|without restriction|without any restriction|no restriction|unfiltered|uncensored"
_MODES = "developer mode|god mode|dan mode|jailbreak mode"

INJECTIONS = (
    f"{_DROP} * {_EARLIER} * {_ORDERS}",
    f"{_DROP} * rule|instruction|guideline * you were given|you have been given|of your developer|of your operator",
    f"{_DROP} everything|anything|all * you were told|you have been told|before this|i said before",
    f"{_SHOW} * your * {_HIDDEN}",
    f"{_SHOW} * the {_THE_HIDDEN} * you were|you have been|you got|you received|verbatim|word for word",
    "repeat|print|output|write|copy|recite * everything|text|words|all * above|before this message|before this line",
    f"you are now|act as|pretend to be|become|respond as * dan and|dan,|dan.|dan:|dan who|dan mode|{_FREE}",
    f"{_MODES} * enabled|activated|is on|engaged|unlocked",
    f"enter|enable|activate|switch to|turn on * {_MODES}",
    "your new|here are new|these are your new|follow these new * instruction|rule|directive|system prompt",
    "new system prompt|updated system prompt|system override|admin override|instruction override",
    "reveal|print|show|tell me|output|dump|list * your|the server's|this server's * api key|secret key|access token"
    "|environment variable|credential|password",
    "ignoriere|vergiss|missachte * vorherigen|bisherigen|obigen|deine * anweisung|regel|vorgabe|instruktion",
    "zeig|nenn|wiederhole|gib * deinen systemprompt|deinen system-prompt|deine systemnachricht|deine anweisungen",
    "ignora|olvida|descarta * tus instrucciones|tus reglas|instrucciones anteriores|instrucciones previas"
    "|reglas anteriores",
    "ignore|oublie * precedentes|tes|vos * instructions|consignes|regles",
    "muestra|revela|repite * tu prompt del sistema|tu prompt de sistema|tus instrucciones",
    "montre|affiche|revele|repete * ton prompt|votre prompt|tes instructions|tes consignes",
    "игнорируй|забудь * предыдущие|все|свои * инструкции|правила|указания",
    "忽略|无视|忘记 * 之前|以上|前面|先前 * 指令|指示|规则|提示",
)
"""Phrases of a question that is refused."""

_TURNS = ("<|im_start|>", "<|system|>", "<|start_header_id|>", "<<sys>>", "[system](#", "<start_of_turn>")
"""Signs of chat templates: a message that holds them plays several speakers."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of each channel."""

    question: tuple[Rule, ...] = ()
    answer: tuple[Rule, ...] = ()
    reasoning: tuple[Rule, ...] = ()


class _Pattern(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    phrase: str
    channels: Annotated[tuple[Channel, ...], Field(alias="in", min_length=1)]
    action: Literal["redact", "refuse"]

    @model_validator(mode="after")
    def _check_action(self) -> Self:
        if "question" in self.channels and self.action == "redact":
            raise ValueError('a question is not redacted; write action = "refuse", or leave "question" out')
        return self


class _PatternFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    pattern: tuple[_Pattern, ...] = ()


def our_rules() -> Rules:
    """Return the rules that come with Abruzzi."""
    injections = [Phrase.parse(text, is_fatal=True) for text in INJECTIONS]
    return Rules(
        question=(*injections, Phrase((_TURNS,), is_fatal=True)), answer=(KEY_SHAPES,), reasoning=(KEY_SHAPES,)
    )


def read_patterns(path: Path) -> Rules:
    """Read the operator's phrases.

    Raises:
        ConfigError: the file cannot be read or a pattern is unusable; says which.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        patterns = _PatternFile.model_validate(content).pattern
    except OSError as error:
        raise ConfigError(f"cannot read the guard's patterns {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe_problem(error)}") from error
    try:
        found = [(one, Phrase.parse(one.phrase, is_fatal=one.action == "refuse")) for one in patterns]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Rules(
        **{
            channel: tuple(phrase for one, phrase in found if channel in one.channels)
            for channel in ("question", "answer", "reasoning")
        }
    )


def join_rules(several: Sequence[Rules]) -> Rules:
    """Put rules together."""
    return Rules(
        question=tuple(rule for rules in several for rule in rules.question),
        answer=tuple(rule for rules in several for rule in rules.answer),
        reasoning=tuple(rule for rules in several for rule in rules.reasoning),
    )
