"""The most that a client may ask of one question: the ``[serve.caps]`` table."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from abruzzi.reasoning.settings import MAX_N


class Caps(BaseModel):
    """Limits on what a client's options may be; where one is None, what ``[ask]`` says is the limit, if it says one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: Annotated[int, Field(ge=1, le=MAX_N)] = 16
    """Candidates, or choices of the plain upstream."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of one candidate, plan or judge call; None leaves it to the model's context."""
    hard_deadline_s: Annotated[float, Field(gt=0)] | None = None
    token_budget: Annotated[int, Field(ge=1)] | None = None
