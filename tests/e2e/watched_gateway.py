"""The demo's gateway, with a subscriber of the live events that never reads any, and a hook that fails.

opentelemetry-instrument uvicorn e2e.watched_gateway:app
"""

from __future__ import annotations

from otel_stream import runtime
from otel_stream.demo.gateway_app import app
from otel_stream.instrumentation._hooks import Hook, Hooks

__all__ = ["app"]


SLEEPER = runtime.current().broadcaster.subscribe(name="sleeper")

Hooks([Hook("house", "json", "JSONDecoder.no_such_method", lambda original, _: original)]).install()
