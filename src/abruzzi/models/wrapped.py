"""A ``ChatModel`` around another one: what it does to a request is its own, its name and limits are the inner one's."""

from abruzzi.models.chat import ChatModel


class WrappedChat:
    """What every model around another one shares; whoever inherits it writes ``complete``."""

    def __init__(self, inner: ChatModel) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """The inner model's name."""
        return self._inner.name

    @property
    def max_context(self) -> int | None:
        """Tokens of the inner model's context; None when not known."""
        return self._inner.max_context
