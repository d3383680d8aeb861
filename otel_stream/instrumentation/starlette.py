"""Server tap for Starlette, and so for FastAPI and everything else built on it.

`Starlette.__call__` is inside FastAPI's own server span and outside all middleware, under any server.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from otel_stream.asgi import Receive, Scope, Send, serve
from otel_stream.instrumentation._hooks import Hook


def wrap_call(original: Callable[..., Any], _: ModuleType) -> Callable[..., Any]:
    """Return `Starlette.__call__` with a server tap around it."""

    @functools.wraps(original)
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807 - as it is
        await serve(functools.partial(original, self), scope, receive, send)

    return __call__


HOOKS = (Hook("starlette", "starlette.applications", "Starlette.__call__", wrap_call, "0.46"),)
