"""What a process says of itself: which libraries are watched and why one is not, what went by, what failed.

`otel-stream doctor` reads it at `/status` of the live endpoint, or from a process it starts for the purpose.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import msgspec
from opentelemetry import trace

from otel_stream import _guard, config, runtime, semconv
from otel_stream.config import Settings
from otel_stream.instrumentation._hooks import Hooks, State, library_of

UNCOVERED = (
    "curl_cffi", "pycurl", "niquests", "primp", "rnet", "google.ai.generativelanguage",
    "google.cloud.aiplatform_v1",
)  # fmt: skip
"""Modules that carry calls past every tap; the last two by gRPC, which exporters import as well."""


class TapStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a tap stands in one module of a library, as `_hooks.State` says it."""

    tap: str
    module: str
    state: str
    reason: str = ""
    library: str = ""
    version: str = ""
    """What is installed; empty when the library is not."""
    loaded: bool = False
    """Whether the process has imported the module."""


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """One process. Nothing in it is secret: no header, no key, no text of a stream."""

    pid: int
    python: str
    executable: str
    version: str
    """Ours."""
    instrumented: bool
    """Whether the taps are in use; `taps` then says which."""
    taps: tuple[TapStatus, ...] = ()
    uncovered: tuple[str, ...] = ()
    """Libraries the process has imported that no tap knows."""
    tracing: str = ""
    """The class of the tracer provider."""
    settings: dict[str, str] = {}
    """Variable → value, of those that are not at their default."""
    metrics: Literal["off", "served", "shared", "failed"] = "off"
    """Of /metrics: `shared` is left to another worker, `failed` found its port taken."""
    metrics_url: str = ""
    requests: int = 0
    """That went through a client tap, to whomever."""
    streams: int = 0
    """That were recorded, those in flight included."""
    in_flight: int = 0
    errors: dict[str, int] = {}
    """Stage → how often the guard caught or passed over something there."""


def describe(hooks: Hooks) -> Status:
    """Return what there is to say of this process now."""
    ours = runtime.current()
    told = Status(
        pid=os.getpid(),
        python=platform.python_version(),
        executable=sys.executable,
        version=semconv.scope_version(),
        instrumented=ours is not None,
        taps=tuple(map(_tap, hooks.states())),
        uncovered=tuple(name for name in UNCOVERED if name in sys.modules),
        tracing=type(trace.get_tracer_provider() if ours is None else ours.tracer_provider).__qualname__,
        errors=_guard.counts(),
    )
    if ours is None:
        return told
    return msgspec.structs.replace(
        told,
        settings=_changed(ours.settings),
        metrics=_metrics(ours),
        metrics_url=_metrics_url(ours),
        requests=ours.requests,
        streams=ours.opened,
        in_flight=len(ours.processor.streams()),
    )


def encode(told: Status) -> bytes:
    """Return it as JSON."""
    return msgspec.json.encode(told)


def decode(data: bytes) -> Status:
    """Return what `encode` was given; unknown fields are ignored. Raises: msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Status)


def _tap(state: State) -> TapStatus:
    library = library_of(state.module)
    return TapStatus(
        **state._asdict(), library=library, version=installed(library), loaded=state.module in sys.modules
    )


def installed(library: str) -> str:
    """Return the version that is installed; empty when none is."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _changed(settings: Settings) -> dict[str, str]:
    values = {row.env: (config.shown(getattr(settings, row.name)), row.default) for row in config.table()}
    return {env: value for env, (value, default) in values.items() if value != default}


def _metrics(ours: runtime.Runtime) -> Literal["off", "served", "shared", "failed"]:
    if ours.metrics is None:
        return "off"
    if ours.metrics.endpoint.server is not None:
        return "served"
    return "shared" if ours.metrics.endpoint.is_shared else "failed"


def _metrics_url(ours: runtime.Runtime) -> str:
    server = None if ours.metrics is None else ours.metrics.endpoint.server
    return "" if server is None else str(server.url)
