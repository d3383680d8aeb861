"""The web page: one file without anything from elsewhere, and the headers that hold it to that."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib.resources import files

_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)


@functools.cache
def load() -> bytes:
    """Return the page."""
    return files("otel_stream.live").joinpath("page.html").read_bytes()


@functools.cache
def headers() -> dict[str, str]:
    """Return headers that allow the page its own script, its own style and its own server, and nothing else.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CSP
    """
    allowed: dict[str, list[str]] = {"script": [], "style": []}
    for kind, text in _INLINE.findall(load()):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        allowed[kind.decode()].append(f"'sha256-{digest}'")
    policy = [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        *(f"{kind}-src {' '.join(hashes)}" for kind, hashes in allowed.items() if hashes),
    ]
    return {"content-type": "text/html; charset=utf-8", "content-security-policy": "; ".join(policy)}
