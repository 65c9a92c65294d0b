"""Replays completions that were made, with drafts: what a verifier that accepts equal tokens would have accepted.

The first token of a completion comes from the pass over the prompt. Each further pass verifies one draft: its tokens
are accepted up to the first that the completion does not have, and the pass adds one token of its own. Completions of
a group go in lock step, a pass each, as a batch does: at each pass a drafter sees what the siblings had said before
it.

Speculation that accepts only what the model would have sampled changes no text, so a replay of the text without drafts
gives the counts with them. It gives no times: what a pass over many positions costs is the machine's affair.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from abruzzi.engine.drafting.draft import Draft, NewDrafter
from abruzzi.engine.drafting.text import Part, Source, Text
from abruzzi.errors import DataError


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How drafts fared in one completion, or in several."""

    num_tokens: int
    """Tokens of the completion, its end included."""
    num_passes: int
    """Passes after the one over the prompt."""
    num_completions: int
    """Whose first tokens came from the pass over the prompt."""
    drafted: Mapping[Source, int]
    accepted: Mapping[Source, int]

    @property
    def draft_tokens(self) -> int:
        """Proposed, from all sources."""
        return sum(self.drafted.values())

    @property
    def accepted_tokens(self) -> int:
        """Kept, from all sources."""
        return sum(self.accepted.values())

    @property
    def acceptance_rate(self) -> float:
        """Accepted ÷ drafted; 0 where nothing was drafted."""
        return self.accepted_tokens / self.draft_tokens if self.draft_tokens else 0.0

    @property
    def tokens_per_pass(self) -> float:
        """Tokens that a pass yields, its own included; 1 without drafts."""
        return (self.num_tokens - self.num_completions) / self.num_passes if self.num_passes else 1.0


@dataclass(frozen=True, slots=True)
class Completed:
    """A prompt and the completion that followed it."""

    prompt: tuple[Part, ...]
    ids: tuple[int, ...]
    """With the end-of-text token where the model gave it."""


def replay(
    group: Sequence[Completed], new_drafter: NewDrafter, *, max_tokens: int | None = None
) -> tuple[Acceptance, ...]:
    """Replay completions of one question in lock step.

    Args:
        group: the completions; nothing of another question.
        new_drafter: e.g. ``partial(NgramSimple, limits=DraftLimits())``.
        max_tokens: the limit that a completion had; a drafter wastes nothing beyond it. None: no limit.

    Returns:
        One per completion.

    Raises:
        DataError: a completion is empty.
    """
    if not all(completed.ids for completed in group):
        raise DataError("a completion without tokens has nothing to replay; leave it out")
    texts = [Text(completed.prompt) for completed in group]
    drafter = new_drafter(texts)
    counts = [_Count() for _ in group]

    def emit(reader: int, num_tokens: int) -> None:
        start = texts[reader].num_own_tokens
        for token in group[reader].ids[start : start + num_tokens]:
            texts[reader].grow(token)
            drafter.note(reader)

    for reader in range(len(group)):
        emit(reader, 1)
    while running := [reader for reader, one in enumerate(group) if texts[reader].num_own_tokens < len(one.ids)]:
        limits = [_room(texts[reader].num_own_tokens, max_tokens) for reader in running]
        drafts = [drafter.draft(reader, room) for reader, room in zip(running, limits, strict=True)]
        for reader, draft in zip(running, drafts, strict=True):
            emit(reader, 1 + counts[reader].verify(draft, group[reader].ids[texts[reader].num_own_tokens :]))
    return tuple(
        Acceptance(len(completed.ids), count.num_passes, 1, dict(count.drafted), dict(count.accepted))
        for completed, count in zip(group, counts, strict=True)
    )


def add_up(acceptances: Iterable[Acceptance]) -> Acceptance:
    """Sum over completions."""
    parts = list(acceptances)
    drafted, accepted = Counter[Source](), Counter[Source]()
    for part in parts:
        drafted.update(part.drafted)
        accepted.update(part.accepted)
    return Acceptance(
        num_tokens=sum(part.num_tokens for part in parts),
        num_passes=sum(part.num_passes for part in parts),
        num_completions=sum(part.num_completions for part in parts),
        drafted=dict(drafted),
        accepted=dict(accepted),
    )


class _Count:
    """Counts the passes of one completion."""

    def __init__(self) -> None:
        self.num_passes = 0
        self.drafted = Counter[Source]()
        self.accepted = Counter[Source]()

    def verify(self, draft: Draft, rest: Sequence[int]) -> int:
        """Count a pass; return how many drafted tokens the completion has."""
        kept = next(
            (number for number, token in enumerate(draft.ids) if number >= len(rest) or token != rest[number]),
            len(draft.ids),
        )
        self.num_passes += 1
        self.drafted.update(draft.sources)
        self.accepted.update(draft.sources[:kept])
        return kept


def _room(num_tokens: int, max_tokens: int | None) -> int:
    """How many drafted tokens fit beside the one that the pass adds."""
    return 1_000_000 if max_tokens is None else max(0, max_tokens - num_tokens - 1)
