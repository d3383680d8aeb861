"""Server tap for Flask, whatever serves it: `Flask.__call__` is outside all middleware.

https://flask.palletsprojects.com/en/stable/api/#flask.Flask.wsgi_app
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from otel_stream.instrumentation._hooks import Hook
from otel_stream.wsgi import Environ, StartResponse, serve


def wrap_call(original: Callable[..., Any], _: ModuleType) -> Callable[..., Any]:
    """Return a WSGI application's `__call__` with a server tap around it."""

    @functools.wraps(original)
    def __call__(  # noqa: N807 - as it is
        self: Any, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        return serve(functools.partial(original, self), environ, start_response)

    return __call__


HOOKS = (Hook("flask", "flask", "Flask.__call__", wrap_call, "3"),)
