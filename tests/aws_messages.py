"""Messages of AWS event streams, and whole answers made of them."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any
from zlib import crc32

from otel_stream.testing import Replay, replay

EVENT_STREAM = {"content-type": "application/vnd.amazon.eventstream"}


def header(name: str, kind: int, value: bytes) -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def text_header(name: str, value: str) -> bytes:
    return header(name, 7, struct.pack(">H", len(value)) + value.encode())


def message(payload: bytes = b"", *headers: bytes) -> bytes:
    block = b"".join(headers)
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    whole = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return whole + struct.pack(">I", crc32(whole))


def event(name: str, payload: Any) -> bytes:
    """Return an event; a payload that is no bytes becomes JSON."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return message(raw, text_header(":event-type", name), text_header(":message-type", "event"))


def exception(name: str, payload: Any) -> bytes:
    kind = text_header(":exception-type", name)
    return message(json.dumps(payload).encode(), kind, text_header(":message-type", "exception"))


def error(code: str, text: str) -> bytes:
    told = text_header(":error-code", code), text_header(":error-message", text)
    return message(b"", *told, text_header(":message-type", "error"))


def chunk(frame: Any) -> bytes:
    """Return a `chunk` event that holds a vendor's frame, or the text of an agent."""
    raw = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    return event("chunk", {"bytes": base64.b64encode(raw).decode(), "p": "abc"})


def streamed(url: str, *messages: bytes, request: Any = None) -> Replay:
    """Return what an event stream comes to."""
    asked = {} if request is None else request
    return replay(url=url, request_json=asked, response_headers=EVENT_STREAM, chunks=[b"".join(messages)])
