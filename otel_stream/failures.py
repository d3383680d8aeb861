"""What went wrong, in the words of the providers: error bodies, and errors in the middle of a stream.

Below the wire formats, which share it, and the tap, which reads HTTP errors with it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from otel_stream.loose import parse
from otel_stream.meaning import Failure, Frame, Meaning

_OUTPUT = {"output", "outputs", "choices", "steps"}  # members of answers, of which an error may be one more
MAX_WORD = 128  # characters kept of an error type or code
MAX_PLAIN = 1024  # characters kept of an error that is told in plain text


def error_document(body: bytes) -> Failure | None:
    """Return the error of a 200 answer whose document is an error object; None for any other document.

    An answer that failed half-way has output, head and usage as well, and is its format's to read.
    """
    if b'"error"' not in body.lstrip()[:256]:
        return None
    value = parse(body)
    found = isinstance(value, dict) and value.get("error") is not None and not value.keys() & _OUTPUT
    return read_failure(body) if found else None


def read_failure(body: bytes, error_type: str | None = None) -> Failure | None:
    """Return the error a JSON body or frame tells, in the shapes providers use; None when there is none.

    Shapes: `{"error": {"type", "code", "status", "message"}}`, `{"error": "…"}`, `{"message", "code"}`,
    `{"detail": …}`, `{"errors": [{"code", "message"}]}`, and each of these as the only element of an array;
    FastAPI's list of what is wrong with a request, as `detail` or as `message.detail`.
    `error_type` is used where the body names none (AWS puts it into a header).
    """
    value = parse(body)
    if isinstance(value, list) and value:
        value = value[0]
    match value:
        case {"error": dict() as error} | {"errors": [dict() as error, *_]}:
            return _failure(error, error_type)
        case {"error": str(message)} | {"detail": str(message)}:
            return _failure({**value, "message": message}, error_type)
        case {"detail": [{"msg": str(message)}, *_]} | {"message": {"detail": [{"msg": str(message)}, *_]}}:
            return _failure({**value, "message": message}, error_type)
        case {"message": str()}:
            return _failure(value, error_type)
        case {"Message": str(message)}:  # some of AWS's gateways
            return _failure({**value, "message": message}, error_type)
    return Failure(error_type, None, None) if error_type else None


def failure_of(error: msgspec.Raw) -> Failure | None:
    """Return the failure a frame's `error` member tells; None when it is missing or null."""
    raw = bytes(error)
    if raw in (b"", b"null"):
        return None
    return read_failure(b'{"error":' + raw + b"}") or Failure(None, None, None)


def unknown(meaning: Meaning, frame: Frame, kind: str = "frame") -> None:
    """Tell of a frame that the dialect does not know: an error, whoever on the way said it, or nothing.

    Gateways and proxies put errors of their own between the provider's frames: an event named `error`, or
    an object that is nothing but an error.
    """
    failure = _error_event(frame.raw) if frame.event == "error" else _error_object(frame.raw)
    if failure is None:
        meaning.skip(kind)
    else:
        meaning.error(failure)


def _error_event(raw: bytes) -> Failure | None:
    """Return what an event named `error` tells, in JSON or in plain text; None for JSON that was cut off."""
    if (failure := read_failure(raw)) is not None:
        return failure
    if raw.lstrip()[:1] in (b"{", b"["):
        return None if parse(raw) is None else Failure(None, None, None)
    return Failure(None, None, raw[:MAX_PLAIN].decode("utf-8", "replace"))


def _error_object(raw: bytes) -> Failure | None:
    if b'"error"' not in raw:
        return None
    value = parse(raw)
    value = value[0] if isinstance(value, list) and value else value
    return read_failure(raw) if isinstance(value, dict) and value.get("error") else None


def _failure(error: dict[str, Any], error_type: str | None) -> Failure:
    kind, status, message = _word(error.get("type")) or error_type, error.get("status"), error.get("message")
    kind = kind or _word(error.get("error_type")) or (_word(status) if isinstance(status, str) else None)
    code = _word(error.get("code")) or _word(error.get("error_code"))
    return Failure(kind, code, message if isinstance(message, str) else None)


def _word(value: object) -> str | None:
    match value:
        case bool():
            return None
        case str() if value:
            return value[:MAX_WORD]
        case int():
            return str(value)
    return None
