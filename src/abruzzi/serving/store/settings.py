"""How questions are kept: the ``[serve.store]`` table."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class StoreSettings(BaseModel):
    """Where records lie, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str | None = None
    """``postgresql://…``, or the path of an SQLite file; None: ``questions.db`` in ``$ABRUZZI_HOME`` or the user's data
    folder. A password belongs into the environment (``ABRUZZI_STORE``, which wins over this, or ``PGPASSWORD``)."""
    max_age_days: float | None = Field(default=None, gt=0)
    """Ended records older than this are deleted; None keeps them."""
    max_records: int | None = Field(default=None, ge=1)
    """The oldest ended records beyond this many are deleted; None keeps them."""
    lock_wait_s: float = Field(default=5.0, gt=0, le=60)
    """How long a write waits for a database that another process has locked, or that cannot be reached."""
    max_backlog_bytes: int = Field(default=64 << 20, ge=1 << 10)
    """What the database could not take is kept in memory up to this size, and written when it can."""
    heartbeat_s: float = Field(default=10.0, gt=0)
    """How often a server says that it lives."""
    lease_s: float = Field(default=60.0, gt=0)
    """A server that has said nothing for so long is dead: what it was answering is lost."""

    @model_validator(mode="after")
    def _check_lease(self) -> "StoreSettings":
        if self.lease_s < 2 * self.heartbeat_s:
            raise ValueError(f"lease_s {self.lease_s:g} must be at least twice heartbeat_s {self.heartbeat_s:g}")
        return self
