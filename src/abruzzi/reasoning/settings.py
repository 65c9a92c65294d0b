"""How a question is answered: every switch of the pipeline, with the vetted default.

Written as a ``[ask]`` table in TOML or as options of ``abruzzi ask``. Which models play the roles is not decided here.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from abruzzi.models.chat import Timeouts

MAX_N = 64
"""More candidates than this is an evaluation, not a question."""

JudgeReads = Literal["answer", "thoughts"]
"""What the judge is shown of a candidate."""


class AskSettings(BaseModel):
    """The pipeline's settings; frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["default", "paper"] = "default"
    """``paper`` runs the published pipeline, call by call, and ignores ``plan``, ``judge`` and ``stop``."""
    n: Annotated[int, Field(ge=1, le=MAX_N)] = 3
    """Candidates per question."""
    plan: Literal["auto", "always", "off"] = "auto"
    """``auto`` lets the planner's gate decide; ``always`` asks for a plan and leaves the gate out."""
    judge: bool = True
    """Compare clusters pairwise when no majority agrees; otherwise cluster size, likelihood, order decide."""
    judge_reads: JudgeReads = "answer"
    """What follows a candidate's thoughts, as published; or the thoughts too, for a solver that works in them."""
    stop_early: bool = True
    """Cancel the candidates that can no longer overturn a majority."""
    share_prefix: bool = True
    """Ask for all candidates in one request, so that the endpoint computes their common prompt once."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    """Of the solver; planner and judge are greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    top_k: Annotated[int, Field(ge=0)] | None = None
    """The solver samples among this many likeliest tokens, 0: among all. None leaves it to the server, which may cut
    where nobody asked: llama.cpp at 40 tokens, others as the model's publisher advises."""
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """The solver leaves out tokens less likely than this share of the likeliest. None leaves it to the server, which
    may be llama.cpp with 0.05."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Per candidate; None leaves as much as the model's context allows."""
    plan_tokens: Annotated[int, Field(ge=16)] = 2048
    """Limit of the planning call, a reasoning planner's thoughts included."""
    judge_tokens: Annotated[int, Field(ge=16)] = 2048
    """Limit of one judge call, a reasoning judge's thoughts included."""
    stop: tuple[str, ...] = ("</answer>",)
    seed: int | None = None
    soft_deadline_s: Annotated[float, Field(gt=0)] = 1200.0
    """After this, the first complete candidate ends the sampling, and nothing is judged."""
    hard_deadline_s: Annotated[float, Field(gt=0)] = 7200.0
    """After this, whatever there is becomes the answer."""
    first_token_s: Annotated[float, Field(gt=0)] = 300.0
    """A call without a first token by then has failed; a long prompt on two cores takes minutes."""
    idle_s: Annotated[float, Field(gt=0)] = 120.0
    """A stream that pauses for longer has failed."""
    token_budget: Annotated[int, Field(ge=1)] | None = None
    """Completion tokens for the whole question; parts that no longer fit are left out, the judge first."""
    adapt: bool = False
    """Choose plan, candidates and judge as the question goes, within the soft deadline, ``token_budget`` and ``money``;
    ``n`` is then the most candidates there may be. Without effect under the preset ``paper``."""
    money: Annotated[float, Field(gt=0)] | None = None
    """What the question may cost, in the currency of the prices; needs ``adapt``."""
    prompt_price: Annotated[float, Field(ge=0)] | None = None
    """Per million prompt tokens, cached ones alike; of the dearest model where several play."""
    completion_price: Annotated[float, Field(ge=0)] | None = None
    """Per million completion tokens, likewise."""

    @property
    def timeouts(self) -> Timeouts:
        """The limits of every upstream call."""
        return Timeouts(first_token_s=self.first_token_s, idle_s=self.idle_s, total_s=self.hard_deadline_s)

    @property
    def cuts(self) -> dict[str, Any]:
        """Where the solver's distribution is cut beside top-p: what was set of ``top_k`` and ``min_p``."""
        return {name: value for name in ("top_k", "min_p") if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _check_deadlines(self) -> Self:
        if self.soft_deadline_s > self.hard_deadline_s:
            raise ValueError(
                f"soft_deadline_s={self.soft_deadline_s:g} is after hard_deadline_s={self.hard_deadline_s:g}; "
                "make it smaller"
            )
        return self

    @model_validator(mode="after")
    def _check_money(self) -> Self:
        if self.money is None:
            return self
        if not self.adapt or self.preset == "paper":
            raise ValueError(f"money={self.money:g} is kept only while adapting; set adapt, and no preset")
        if self.prompt_price is None or self.completion_price is None:
            raise ValueError(
                f"money={self.money:g} says nothing without prices; set prompt_price and completion_price, per million "
                "tokens"
            )
        return self
