"""What the demo starts: options, ports, command lines and the gateway's environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from otel_stream.demo.processes import free_port

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `otel-stream demo` can be told. `duration_seconds` None: until Ctrl-C."""

    duration_seconds: float | None = None
    rate: float = 2.0
    seed: int = 1
    plain: bool = False
    speed: float = 1.0
    spans: str = ""
    gateway_port: int = 8400
    provider_port: int = 8401
    page_port: int = 8402
    metrics_port: int = 9464


class Addresses(msgspec.Struct, frozen=True):
    """Where everything listens, all on the loopback address."""

    gateway: int
    provider: int
    page: int
    metrics: int

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.metrics}/metrics"


def addresses(options: Options) -> tuple[Addresses, list[str]]:
    """Return free ports, the wanted ones where possible, and what to say of the others."""
    found: dict[str, int] = {}
    notes = []
    for name in ("gateway", "provider", "page", "metrics"):
        wanted = getattr(options, f"{name}_port")
        found[name] = free_port(wanted, list(found.values()))
        if wanted not in (0, found[name]):
            notes.append(f"port {wanted} is in use, so {name} is on port {found[name]}")
    return Addresses(**found), notes


def provider_command(options: Options, at: Addresses) -> list[str]:
    """Return what starts the provider."""
    given = {"--port": at.provider, "--seed": options.seed, "--speed": options.speed}
    words = [str(word) for pair in given.items() for word in pair]
    return [sys.executable, "-m", "otel_stream.demo.provider", *words]


def gateway_command(at: Addresses) -> list[str]:
    """Return what starts the gateway, as its owner would: a prefix before the usual command."""
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    serve = [
        "-m",
        "uvicorn",
        "gateway_app:app",
        "--app-dir",
        str(Path(__file__).parent),
        "--log-level",
        "warning",
    ]
    return [str(instrument), "--", sys.executable, *serve, "--port", str(at.gateway)]


def screen_command(folder: Path, notes: Sequence[str]) -> list[str]:
    """Return what shows the gateway's streams on a screen, with lines of ours below them."""
    said = [word for note in notes for word in ("--note", note)]
    return [sys.executable, "-m", "otel_stream.cli", "top", "--folder", str(live_folder(folder)), *said]


def live_folder(folder: Path) -> Path:
    """Return where the gateway tells how it can be watched."""
    return folder / "live"


def events_socket(folder: Path) -> Path:
    """Return where the gateway writes its events, for our own books."""
    return folder / "events.sock"


def gateway_environment(
    options: Options, at: Addresses, folder: Path, env: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the gateway's environment: where its providers are, and the settings the demo is about."""
    provider = f"http://127.0.0.1:{at.provider}"
    return {
        "OTEL_SERVICE_NAME": "demo-gateway",
        "OTEL_STREAM_METRIC_LABELS": "agent,tenant",
        **exporters(options, env),
        **env,
        "OPENAI_BASE_URL": provider,
        "ANTHROPIC_BASE_URL": provider,
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(at.metrics),
        "OTEL_STREAM_TAIL": str(events_socket(folder)),
        "OTEL_STREAM_LIVE": "tcp",
        "OTEL_STREAM_LIVE_PATH": str(live_folder(folder)),
        "OTEL_STREAM_LIVE_PORT": str(at.page),
        "OTEL_STREAM_LIVE_TEXT": "true",
    }


def exporters(options: Options, env: Mapping[str, str]) -> dict[str, str]:
    """Return where telemetry goes: to a collector only when one is named, or nothing would listen."""
    if any(name in env for name in ENDPOINTS):
        return {}
    spans = "console" if options.spans else "none"
    return {"OTEL_TRACES_EXPORTER": spans, "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
