"""The demo's gateway, with a subscriber of the live events that never reads any.

opentelemetry-instrument uvicorn e2e.watched_gateway:app
"""

from __future__ import annotations

from otel_stream import runtime
from otel_stream.demo.gateway_app import app

__all__ = ["app"]

SLEEPER = runtime.current().broadcaster.subscribe(name="sleeper")
