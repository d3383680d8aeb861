"""Made-up answers of providers, sent through the whole pipeline."""

from __future__ import annotations

import json
from typing import Any

from otel_stream.testing import Replay, replay

EVENT_STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def sse(*payloads: Any) -> bytes:
    """Return server-sent events: a str stands as it is, (name, payload) has a name, the rest becomes JSON."""
    return b"".join(_event(*p) if isinstance(p, tuple) else _event("", p) for p in payloads)


def _event(name: str, payload: Any) -> bytes:
    data = payload if isinstance(payload, str) else json.dumps(payload)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode()


def streamed(url: str, *payloads: Any, request: Any = None, **known: Any) -> Replay:
    """Return what a stream of server-sent events comes to."""
    asked = {"model": "m", "stream": True, **(request or {})}
    return replay(
        url=url, request_json=asked, response_headers=EVENT_STREAM, chunks=[sse(*payloads)], **known
    )


def document(url: str, body: Any, *, request: Any = None, status: int = 200) -> Replay:
    """Return what a non-streaming answer comes to; a `bytes` body stands as it is."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return replay(
        url=url,
        request_json={"model": "m", **(request or {})},
        status=status,
        response_headers=JSON,
        chunks=[raw],
    )
