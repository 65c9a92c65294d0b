"""What a client is told when its request is not carried out, in OpenAI's shape.

    {"error": {"message": …, "type": …, "param": …, "code": …}}

Every part of the server raises ``Refusal``; one handler turns it into a response or, once a stream has begun, into the
stream's last event. A message names what is wrong and what to do, never a key, a prompt or a guard's rule.
Types and codes are those that OpenAI's clients know: https://platform.openai.com/docs/guides/error-codes.
"""

from typing import Any, Literal

from abruzzi.errors import AbruzziError

RefusalType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "insufficient_quota",
    "server_error",
    "service_unavailable_error",
    "upstream_error",
]


class Refusal(AbruzziError):  # noqa: N818 - a decision, not a fault
    """A request is not carried out; carries the HTTP status and OpenAI's fields."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: RefusalType,  # noqa: A002 - OpenAI's name of the field
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        """Seconds after which trying again makes sense; becomes the header ``Retry-After``."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the keyword-only fields when pickled."""
        return _rebuild, (
            str(self),
            {
                "status": self.status,
                "type": self.type,
                "code": self.code,
                "param": self.param,
                "retry_after_s": self.retry_after_s,
            },
        )


def _rebuild(message: str, fields: dict[str, Any]) -> Refusal:
    return Refusal(message, **fields)


def body(refusal: Refusal) -> dict[str, Any]:
    """Write a refusal as the JSON that OpenAI's clients read."""
    return {
        "error": {"message": str(refusal), "type": refusal.type, "param": refusal.param, "code": refusal.code},
    }
