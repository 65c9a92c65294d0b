"""Every error Abruzzi raises on purpose, in one tree.

    AbruzziError
    ├── MisuseError (ValueError)          the caller's mistake: exit code 2
    │   ├── ConfigError                   an unknown setting, spec or value
    │   └── DataError                     unusable input: an empty question, a malformed row
    ├── ModelError (RuntimeError)         what a model or its endpoint did
    │   ├── EndpointError                 it answered with an HTTP error; carries the status
    │   │   ├── AccessError               401 or 403: wrong or missing key
    │   │   ├── RateLimitError            429; carries the seconds it asked us to wait
    │   │   └── ContextLengthError        the prompt does not fit the model's context
    │   ├── UnreachableError (ConnectionError)   no connection, or it broke off
    │   ├── ModelTimeoutError (TimeoutError)     no connection, first token or end in time
    │   ├── ProtocolError                 it answered, but not in the OpenAI protocol
    │   ├── StructureError                no reply fitted the JSON schema, retries included
    │   └── NoCandidateError              every candidate came back empty or failed
    ├── EngineError (RuntimeError)        the embedded engine
    │   ├── WeightsError                  weights missing, broken or not to be fetched
    │   └── EngineStartError              the engine process did not come up
    ├── VerifierError (RuntimeError)      a verifier itself failed (never: the response is wrong)
    │   └── SandboxError                  no safe place to run untrusted code on this machine
    ├── TrainingError (RuntimeError)      training cannot go on: a loss that is no number, nothing to learn from
    └── RecordError (OSError)             a run could not be written or read
        └── CheckpointError               a checkpoint could not be; the last good one stays

Each also inherits the standard type that it refines, and each pickles, so that it can cross a process boundary.
A message says what failed, the offending value, and what to do next. To add one: put it in the tree above, give it
its standard base, pass every constructor argument on to ``super().__init__`` or define ``__reduce__``.
"""


class AbruzziError(Exception):
    """Base of every error raised on purpose."""


class MisuseError(AbruzziError, ValueError):
    """The caller asked for something impossible."""


class ConfigError(MisuseError):
    """A setting, model spec or option is unknown or out of range."""


class DataError(MisuseError):
    """Input that cannot be used: an empty question, a malformed row, an unknown data source."""


class ModelError(AbruzziError, RuntimeError):
    """A model or its endpoint failed."""

    status: int | None = None
    """HTTP status of the answer, where there was one."""


class EndpointError(ModelError):
    """The endpoint answered with an HTTP error."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class AccessError(EndpointError):
    """The endpoint refused the key (401 or 403)."""


class RateLimitError(EndpointError):
    """The endpoint asked us to slow down (429)."""

    def __init__(self, message: str, status: int | None = 429, retry_after_s: float | None = None) -> None:
        super().__init__(message, status)
        self.args = (message, status, retry_after_s)
        self.retry_after_s = retry_after_s


class ContextLengthError(EndpointError):
    """The prompt does not fit the model's context."""


class UnreachableError(ModelError, ConnectionError):
    """No connection to the endpoint, or it broke off."""


class ModelTimeoutError(ModelError, TimeoutError):
    """The endpoint did not connect, start or finish in time."""


class ProtocolError(ModelError):
    """The endpoint answered with something that is not the OpenAI protocol."""


class StructureError(ModelError):
    """No reply fitted the JSON schema, retries included."""


class NoCandidateError(ModelError):
    """Every candidate of a question came back empty or failed."""


class EngineError(AbruzziError, RuntimeError):
    """The embedded engine failed."""


class WeightsError(EngineError):
    """Model weights are missing, broken or could not be fetched."""


class EngineStartError(EngineError):
    """The engine process did not come up."""


class VerifierError(AbruzziError, RuntimeError):
    """A verifier itself failed; this says nothing about the response."""


class SandboxError(VerifierError):
    """This machine offers no safe place to run untrusted code."""


class RecordError(AbruzziError, OSError):
    """A run could not be written or read."""


class CheckpointError(RecordError):
    """A checkpoint could not be written or read; the last good one stays."""


class TrainingError(AbruzziError, RuntimeError):
    """Training cannot go on; the last good checkpoint stays."""
