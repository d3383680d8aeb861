"""Live OpenTelemetry for the streaming calls of Python LLM gateways: the public names.

    from otel_stream import current

    async for event in current().broadcaster.subscribe(name="mine"):
        ...

What is not needed is not loaded: a name's module is imported when the name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_stream.asgi import StreamMiddleware
    from otel_stream.broadcaster import StreamEventBroadcaster
    from otel_stream.config import Settings
    from otel_stream.events import Completed, Error, Started, StreamEvent, TextDelta
    from otel_stream.gateway import gateway_call, private, trace_stream
    from otel_stream.instrumentation import StreamInstrumentor
    from otel_stream.processor import StreamSpanProcessor
    from otel_stream.runtime import current

__all__ = [
    "Completed",
    "Error",
    "Settings",
    "Started",
    "StreamEvent",
    "StreamEventBroadcaster",
    "StreamInstrumentor",
    "StreamMiddleware",
    "StreamSpanProcessor",
    "TextDelta",
    "current",
    "gateway_call",
    "private",
    "trace_stream",
]

_HOMES = {
    "asgi": ("StreamMiddleware",),
    "broadcaster": ("StreamEventBroadcaster",),
    "config": ("Settings",),
    "events": ("Completed", "Error", "Started", "StreamEvent", "TextDelta"),
    "gateway": ("gateway_call", "private", "trace_stream"),
    "instrumentation": ("StreamInstrumentor",),
    "processor": ("StreamSpanProcessor",),
    "runtime": ("current",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
