"""Which verifier a row's ``data_source`` goes to: one table, prefixes, the first hit wins.

``fixed`` mode routes every source of the public Guru set, the released names that the public router misses included
(``stem__web``, ``logic__arcagi…``, ``logic__barc``, ``ood__bbeh``). ``published`` mode routes exactly as the public
reward function does, and raises where it raises. A domain's modules are imported when its first row comes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import import_module
from typing import Any, Literal

from abruzzi.errors import DataError
from abruzzi.verifiers.row import Score, Verify, WriteGold

Mode = Literal["fixed", "published"]
"""``fixed`` is right; ``published`` agrees with the public reward functions, bugs included."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a domain's functions are, and how long one of its verifications may take."""

    name: str
    verify: str
    """``module:function`` below ``abruzzi.verifiers``, as the two others."""
    write_gold: str
    score: str
    limit_s: float
    """Wall limit where the caller sets none: far above what a sound row takes on a loaded machine."""

    def load_verify(self) -> Verify:
        """Import the fixed verifier."""
        return _load(self.verify)

    def load_score(self) -> Score:
        """Import the published reward function."""
        return _load(self.score)

    def load_write_gold(self) -> WriteGold:
        """Import the writer of a reply that holds the row's own ground truth."""
        return _load(self.write_gold)


def _domain(name: str, limit_s: float, module: str | None = None) -> Domain:
    module = module or name
    return Domain(
        name,
        verify=f"{module}:verify_{name}",
        write_gold=f"{module}:gold_reply_{name}",
        score=f"published.{module}:score_{name}",
        limit_s=limit_s,
    )


MATHS = _domain("maths", 30)
CODE = _domain("code", 300)
CRUXEVAL = _domain("cruxeval", 30)
SIMULATION = _domain("simulation", 30)
LOGIC = _domain("logic", 30)
TABLES = _domain("tables", 30)
SCIENCE = _domain("science", 30)
INSTRUCTIONS = _domain("instructions", 30)
PROCEDURAL = _domain("procedural", 60)
PRELOADED = (MATHS, CODE, CRUXEVAL, SIMULATION, LOGIC, TABLES, SCIENCE, INSTRUCTIONS)
"""Imported before workers are forked; procedural tasks import a library of 200 MB."""


@dataclass(frozen=True, slots=True)
class _Route:
    source: str
    domain: Domain
    modes: tuple[Mode, ...] = ("fixed", "published")
    is_exact: bool = False
    """Published mode takes the name only; fixed mode takes every source as a prefix."""


_FIXED: tuple[Mode, ...] = ("fixed",)
_NUMINA = ("aops_forum", "synthetic_math", "amc_aime", "synthetic_amc", "cn_k12", "olympiads")
_NOT_REBUILT = ("codecontests", "apps", "codeforces", "taco", "hiyouga/geometry3k", "searchR1_")
"""Sources outside Guru that the public router knows, whose graders no domain of ours imitates."""
_ROUTES = (
    _Route("math", MATHS),
    _Route("codegen", CODE),
    _Route("simulation__codeio", SIMULATION),
    _Route("simulation__cruxeval", CRUXEVAL),
    _Route("simulation__arcagi", LOGIC),
    _Route("simulation__barc", LOGIC),
    _Route("logic__zebra_puzzle", LOGIC),
    _Route("logic__ordering_puzzle", LOGIC),
    _Route("logic__graph", LOGIC),
    _Route("logic__arcagi", LOGIC, _FIXED),
    _Route("logic__barc", LOGIC, _FIXED),
    _Route("logic__knights_knaves", LOGIC, _FIXED),
    _Route("table", TABLES),
    _Route("stem__gpqa", SCIENCE),
    _Route("stem__supergpqa", SCIENCE),
    _Route("stem_web", SCIENCE),
    _Route("stem__web", SCIENCE, _FIXED),
    _Route("ood__bbeh", SCIENCE, _FIXED),
    _Route("ood__ifeval", INSTRUCTIONS, is_exact=True),
    _Route("ood__livebench", INSTRUCTIONS, is_exact=True),
    _Route("ood__ifbench", INSTRUCTIONS, is_exact=True),
    _Route("reasoning_gym", PROCEDURAL, is_exact=True),
    _Route("openai/gsm8k", MATHS, is_exact=True),
    _Route("lighteval/MATH", MATHS, is_exact=True),
    _Route("DigitalLearningGmbH/MATH-lighteval", MATHS, is_exact=True),
    _Route("aime", MATHS),
    *(_Route(f"numina_{name}", MATHS, is_exact=True) for name in _NUMINA),
    *(_Route(name, CODE, _FIXED) for name in ("codecontests", "apps", "codeforces", "taco")),
    _Route("hiyouga/geometry3k", MATHS, _FIXED),
)


def route(data_source: str, mode: Mode = "fixed") -> Domain:
    """Find the domain that a row's source goes to.

    Raises:
        DataError: fixed mode does not know the source.
        NotImplementedError: published mode does not, as there.
    """
    for candidate in _ROUTES:
        if mode not in candidate.modes:
            continue
        if mode == "published" and candidate.is_exact:
            if data_source == candidate.source:
                return candidate.domain
        elif data_source.startswith(candidate.source):
            return candidate.domain
    if mode == "published":
        missing = "not rebuilt here" if data_source.startswith(_NOT_REBUILT) else "not implemented"
        raise NotImplementedError(f"Reward function is {missing} for data_source={data_source[:200]!r}")
    known = [candidate.source for candidate in _ROUTES if mode in candidate.modes]
    likeness = {name: SequenceMatcher(None, name, data_source[: len(name)]).ratio() for name in known}
    nearest = max(known, key=likeness.__getitem__)
    hint = f"did you mean {nearest!r}? " if likeness[nearest] > 0.7 else ""
    raise DataError(f"unknown data source {data_source[:200]!r}; {hint}it must begin with one of: {', '.join(known)}")


def _load(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"abruzzi.verifiers.{module}"), name)
    return function
