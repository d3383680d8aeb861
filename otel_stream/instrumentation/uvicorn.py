"""Server tap for any ASGI application under uvicorn, where no tap knows its framework.

Inside it the taps of frameworks find the request watched and only look for their server's span.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from otel_stream.asgi import StreamMiddleware
from otel_stream.instrumentation._hooks import Hook


def wrap_load(original: Callable[..., Any], _: ModuleType) -> Callable[..., Any]:
    """Return `Config.load`, which puts a server tap around the application it has loaded."""

    @functools.wraps(original)
    def load(self: Any) -> None:
        original(self)
        self.loaded_app = StreamMiddleware(self.loaded_app)

    return load


HOOKS = (Hook("uvicorn", "uvicorn.config", "Config.load", wrap_load, "0.34"),)
