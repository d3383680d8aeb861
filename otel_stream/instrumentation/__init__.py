"""Instrumentation: `opentelemetry-instrument --` finds `StreamInstrumentor` here, and so may you.

    StreamInstrumentor().instrument()

One file per library beside this one; each has its rows for the hook table.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_stream import runtime
from otel_stream._guard import guard
from otel_stream.config import Settings
from otel_stream.instrumentation import (
    aiohttp_client,
    aiohttp_web,
    django,
    flask,
    httpx,
    starlette,
    urllib3,
    uvicorn,
)
from otel_stream.instrumentation._hooks import Hooks, State
from otel_stream.instrumentation.status import describe, encode

__all__ = ["HOOKS", "State", "StreamInstrumentor"]

_CLIENTS = (httpx, aiohttp_client, urllib3)
_SERVERS = (starlette, flask, django, aiohttp_web, uvicorn)

HOOKS = Hooks(hook for library in (*_CLIENTS, *_SERVERS) for hook in library.HOOKS)
"""All taps of this process; `HOOKS.states()` tells which of them are in."""

_PROVIDERS = ("tracer_provider", "meter_provider", "registry")


class StreamInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # its module is headed `type: ignore`
    """Records the streaming LLM calls of this process. A singleton; instrumenting twice is a no-op."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no requirement: each tap waits for its library to be imported."""
        return ()

    def _instrument(self, **settings: Any) -> None:
        """Start recording. Settings are those of docs/configuration.md; what is given here wins.

        `tracer_provider`, `meter_provider` and `registry` default to the global ones.
        Raises: SettingError for a value that is not allowed, TypeError for a setting that does not exist.
        """
        providers = {name: settings.pop(name) for name in _PROVIDERS if name in settings}
        checked = Settings.from_env(**settings)
        if checked.disabled:
            return
        runtime.start(checked, status=lambda: encode(describe(HOOKS)), **providers)
        try:
            HOOKS.install(off=checked.disabled_taps)
        except BaseException:
            runtime.stop()
            raise

    def _uninstrument(self, **_: Any) -> None:
        """Stop recording: libraries are as they were, streams still open end as abandoned."""
        HOOKS.remove()
        with guard("shutdown"):
            runtime.stop()
