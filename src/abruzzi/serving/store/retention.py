"""Keeps the store within what the operator allows: an age and a number of records."""

from collections.abc import Awaitable, Callable

from abruzzi.errors import RecordError
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import Store

DAY_S = 86_400.0
EVERY_S = 600.0


async def retain(store: Store, settings: StoreSettings, *, now: float) -> int:
    """Delete what is too old or too many.

    Args:
        store: whose records.
        settings: the limits; None limits nothing.
        now: Unix time, seconds.

    Returns:
        How many records were deleted.

    Raises:
        RecordError: the database fails.
    """
    count = 0
    if settings.max_age_days is not None:
        count += await store.expire(now - settings.max_age_days * DAY_S)
    if settings.max_records is not None:
        count += await store.trim(settings.max_records)
    return count


async def keep_retaining(
    store: Store,
    settings: StoreSettings,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    tell: Callable[[str], None],
) -> None:
    """Retain at once and then every ten minutes, until cancelled; a failure is told and does not end it.

    Args:
        store: whose records.
        settings: the limits.
        clock: Unix time, seconds.
        sleep: waits for some seconds.
        tell: is given a sentence about what was deleted or went wrong.
    """
    while True:
        try:
            count = await retain(store, settings, now=clock())
        except RecordError as error:
            tell(f"retention failed: {error}")
        else:
            if count:
                tell(f"retention deleted {count} records")
        await sleep(EVERY_S)
