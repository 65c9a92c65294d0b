"""What a server drafts with, named in one word: ``none``, ``ngram``, ``suffix``, ``eagle=HEAD``, ``draft=MODEL``.

The lengths of drafts are starting points, not measurements: the engines' own documented defaults where they state one
(SGLang 0.5.23 takes 3 steps of 1 token for a draft model). Measure acceptance on your own text before you keep them.
"""

from dataclasses import dataclass
from enum import StrEnum

from abruzzi.errors import ConfigError

FORMS = ("none", "ngram", "suffix", "eagle=HEAD", "draft=MODEL")


class SpeculationKind(StrEnum):
    """Where drafts come from."""

    NONE = "none"
    NGRAM = "ngram"
    """The request's own text: what followed the last few tokens when they last occurred."""
    SUFFIX = "suffix"
    """The same with a suffix tree, whose drafts are as long as the match deserves (arXiv 2411.04975)."""
    EAGLE = "eagle"
    """An EAGLE-3 head trained for this very model (arXiv 2503.01840)."""
    DRAFT = "draft"
    """A smaller model with the same tokenizer (arXiv 2211.17192)."""


_DRAFT_TOKENS = {
    SpeculationKind.NONE: 0,
    SpeculationKind.NGRAM: 5,
    SpeculationKind.SUFFIX: 24,
    SpeculationKind.EAGLE: 3,
    SpeculationKind.DRAFT: 3,
}


@dataclass(frozen=True, slots=True)
class Speculation:
    """How a server drafts."""

    kind: SpeculationKind = SpeculationKind.NONE
    model: str | None = None
    """The EAGLE head or the draft model; None where there is none."""

    @property
    def num_draft_tokens(self) -> int:
        """Most tokens of one draft."""
        return _DRAFT_TOKENS[self.kind]


OFF = Speculation()


def parse_speculation(text: str) -> Speculation:
    """Read what ``--speculation`` names.

    Raises:
        ConfigError: an unknown kind, a kind that needs a model without one, or a model where none is used.
    """
    word, equals, model = text.strip().partition("=")
    if word not in [kind.value for kind in SpeculationKind]:
        raise ConfigError(f"unknown speculation {text!r}; write one of {', '.join(FORMS)}")
    kind = SpeculationKind(word)
    if kind not in (SpeculationKind.EAGLE, SpeculationKind.DRAFT):
        if equals:
            raise ConfigError(f"--speculation {text!r}: {kind} drafts without a model; write --speculation {kind}")
        return Speculation(kind)
    if not model.strip():
        what = "head, trained for this very model" if kind is SpeculationKind.EAGLE else "draft model"
        raise ConfigError(f"--speculation {text!r} names no {what}; write --speculation {kind}=FOLDER or {kind}=NAME")
    return Speculation(kind, model.strip())
