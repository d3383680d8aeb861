"""How a stream ended: the table from what was parsed and what the transport did to one of six outcomes.

Never take the end of a body, a close or a garbage collection as completion: finished streams end in all of
these ways, and truncated ones look clean. Parsed content decides first (docs/reliability.md).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from otel_stream.events import Outcome
from otel_stream.meaning import Failure
from otel_stream.redact import without_secrets

Ending: TypeAlias = Literal["eof", "closed", "cancelled", "failed", "timeout", "abandoned"]
"""What ended it: the body's end, an early close, a cancelled task, an exception, a timeout, nobody."""

HTTP_ERROR = 400
MAX_MESSAGE = 1024  # characters kept of an error message
MAX_TYPE = 128  # characters kept of an error type

_WITHOUT_TERMINAL: dict[Ending, Outcome] = {
    "eof": "incomplete",
    "closed": "cancelled",
    "cancelled": "cancelled",
    "failed": "error",
    "timeout": "timeout",
    "abandoned": "abandoned",
}
_MESSAGES: dict[Outcome, str] = {
    "incomplete": "the body ended without the API's end signal",
    "cancelled": "closed by the caller before the answer was complete",
    "abandoned": "never closed: the stream was dropped or fell silent",
    "timeout": "timed out",
    "error": "failed",
}
_CANCELLED = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt"})
_TIMED_OUT = frozenset(
    {"TimeoutException", "TimeoutError", "ReadTimeoutError", "ServerTimeoutError", "Timeout"}
)


def ending_of(error: BaseException) -> Ending:
    """Return what an exception says about the end; by name, since client libraries are never imported."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _CANCELLED:
        return "cancelled"
    if "GeneratorExit" in names:
        return "closed"
    return "timeout" if names & _TIMED_OUT else "failed"


def outcome_of(*, failed: bool, terminal: bool, ending: Ending, hung_up: bool) -> Outcome:
    """Return the outcome: an error beats a terminal, a terminal beats any ending, else the ending tells."""
    if failed:
        return "error"
    if terminal:
        return "completed"
    if ending == "abandoned" and hung_up:
        return "cancelled"
    return _WITHOUT_TERMINAL[ending]


def message_of(outcome: Outcome, failure: Failure | None, status: int, error: BaseException | None) -> str:
    """Return a message for people: the provider's, the HTTP status, the exception's, or what happened.

    Of what others say, keys and echoes of the request are left out.
    """
    if failure is not None and failure.message:
        return without_secrets(failure.message[:MAX_MESSAGE])
    if outcome == "error" and status >= HTTP_ERROR:
        return f"HTTP {status}"
    if error is not None and outcome in ("error", "timeout"):
        return without_secrets(str(error)[:MAX_MESSAGE]) or type(error).__name__
    return _MESSAGES[outcome]


def error_type_of(
    outcome: Outcome, failure: Failure | None, status: int, error: BaseException | None
) -> str | None:
    """Return `error.type`, of low cardinality: the provider's word, the HTTP status or the exception's class.

    None for a cancelled stream: what the caller intended is no error.
    https://opentelemetry.io/docs/specs/semconv/general/recording-errors/
    """
    if outcome == "cancelled":
        return None
    if failure is not None and (kind := failure.type or failure.code):
        return kind[:MAX_TYPE]
    if outcome == "error" and status >= HTTP_ERROR:
        return str(status)
    if error is not None and outcome in ("error", "timeout"):
        return class_name(error)
    return "timeout" if outcome == "timeout" else "_OTHER"


def class_name(error: BaseException) -> str:
    """Return the exception's class as `exception.type` has it: qualified, builtins bare."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"[-MAX_TYPE:]
