"""Renders text of models in processes of their own, so that no text can keep the server busy.

A text that takes too long, breaks its process or comes when too many wait already is shown as it was written; nobody is
told an error about how something looks.
"""

import anyio

from abruzzi.serving.rendering.document import plain, render
from abruzzi.verifiers.pool import Pool, Returned

LIMIT_S = 2.0
"""Per text; an ordinary one takes milliseconds."""
MAX_WAITING = 64
MAX_MEMORY_BYTES = 1 << 30


def prepare_rendering() -> None:
    """Read the tables of symbols and languages once, before workers are forked."""
    render("$x$\n```python\nx\n```")


class Renderer:
    """Renders for one server; close it at the end."""

    def __init__(self, *, workers: int = 1, limit_s: float = LIMIT_S, max_waiting: int = MAX_WAITING) -> None:
        """Make a renderer; its processes start with the first text.

        Args:
            workers: texts rendered at the same time.
            limit_s: wall limit of one text.
            max_waiting: texts under way or waiting, beyond which text stays as it was written.
        """
        self._pool = Pool(workers, max_memory_bytes=MAX_MEMORY_BYTES, prepare=prepare_rendering)
        self._limit_s = limit_s
        self._max_waiting = max_waiting
        self._num_waiting = 0

    async def render(self, text: str) -> str:
        """Write text as safe HTML; see ``document.render``."""
        if self._num_waiting >= self._max_waiting:
            return plain(text)
        self._num_waiting += 1
        try:
            ending = await self._pool.run(render, text, self._limit_s)
        finally:
            self._num_waiting -= 1
        return ending.value if isinstance(ending, Returned) else plain(text)

    async def close(self) -> None:
        """End its processes."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._pool.close)
