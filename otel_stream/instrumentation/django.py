"""Server tap for Django, by WSGI and by ASGI: its two handlers are outside all middleware."""

from __future__ import annotations

from otel_stream.instrumentation import flask, starlette
from otel_stream.instrumentation._hooks import Hook

HOOKS = (
    Hook("django", "django.core.handlers.wsgi", "WSGIHandler.__call__", flask.wrap_call, "5"),
    Hook("django", "django.core.handlers.asgi", "ASGIHandler.__call__", starlette.wrap_call, "5"),
)
