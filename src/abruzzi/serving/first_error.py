"""Unwraps the errors of task groups: callers look for one typed error, and not for a group around it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager


@contextmanager
def one_error() -> Generator[None]:
    """Raise the first error of a group in its place.

    Raises:
        BaseException: what the block raised, or the first error in the group that it raised.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        raise _find_first(group) from group


def _find_first(error: BaseException) -> BaseException:
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _find_first(inner[0]) if inner else error
