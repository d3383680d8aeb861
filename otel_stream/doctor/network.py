"""What a start needs from the network: the port of /metrics, and a collector where one is to be used."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from otel_stream.config import Settings
from otel_stream.doctor.report import Finding, note, ok, problem

PROBE_SECONDS = 2.0
SIGNALS = ("TRACES", "METRICS", "LOGS")
MULTIPROC = "PROMETHEUS_MULTIPROC_DIR"
_OURS = b"llm_stream_"
_PORTS = {"grpc": 4317, "http/protobuf": 4318}
CURE_PORT = (
    "for several workers set PROMETHEUS_MULTIPROC_DIR; else OTEL_EXPORTER_PROMETHEUS_PORT to a free port"
    " (0 picks one), or OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine"
)
_WITHOUT = "OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none"


# -- /metrics ------------------------------------------------------------------------------------------


def metrics(settings: Settings, env: Mapping[str, str]) -> list[Finding]:
    """Return whether a gateway that is started now can serve /metrics."""
    if not settings.prometheus:
        return [note("/metrics", "is switched off by OTEL_STREAM_PROMETHEUS", "unset OTEL_STREAM_PROMETHEUS")]
    return [_port(settings), *_workers(env)]


def _port(settings: Settings) -> Finding:
    host, port = settings.prometheus_host, settings.prometheus_port
    if not port:
        return ok("/metrics", f"a free port of {host}; the log says which")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except OSError as error:
        return _not_free(host, port, error)
    return ok("/metrics", f"{host}:{port} is free")


def _not_free(host: str, port: int, error: OSError) -> Finding:
    if serves_ours(f"http://{host}:{port}/metrics"):
        return note(
            "/metrics",
            f"a gateway that is watched serves it at {host}:{port} already",
            "a second gateway needs another OTEL_EXPORTER_PROMETHEUS_PORT",
        )
    return problem(
        "/metrics",
        f"cannot be served at {host}:{port}: {error.strerror or error}",
        CURE_PORT,
    )


def serves_ours(url: str) -> bool:
    """Whether metrics of ours are at this address."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=PROBE_SECONDS) as answer:
            return _OURS in answer.read()
    except (OSError, URLError, ValueError):
        return False


def _workers(env: Mapping[str, str]) -> list[Finding]:
    named = env.get(MULTIPROC) or env.get(MULTIPROC.lower())
    if not named:
        return [
            note(
                "workers",
                f"{MULTIPROC} is not set: only the first process would serve /metrics, with its own counts",
                f"for more than one worker set {MULTIPROC} to an empty folder (docs/metrics.md)",
            )
        ]
    place = Path(named)
    if place.is_dir() and os.access(place, os.W_OK):
        return [ok("workers", f"share their counts in {place}")]
    if place.exists():
        return [problem("workers", f"{MULTIPROC} {named!r} is no folder that can be written to")]
    return [ok("workers", f"will share their counts in {place}, which is made at the start")]


# -- the collector -------------------------------------------------------------------------------------


def collector(env: Mapping[str, str]) -> list[Finding]:
    """Return whether somebody listens where spans, metrics and logs are sent."""
    by_address: dict[tuple[str, int], list[str]] = {}
    found = []
    for signal in SIGNALS:
        exporters = env.get(f"OTEL_{signal}_EXPORTER", "otlp").strip()  # the distro's default
        if "otlp" not in exporters:
            found.append(note("exporter", f"OTEL_{signal}_EXPORTER={exporters}"))
            continue
        try:
            by_address.setdefault(_address(signal, env), []).append(signal.lower())
        except ValueError:
            told = f"OTEL_EXPORTER_OTLP_ENDPOINT, as it is for {signal.lower()}, is no address"
            found.append(problem("collector", told, "e.g. http://localhost:4317"))
    return found + [_reach(*address, signals) for address, signals in by_address.items()]


def _address(signal: str, env: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port, without a password that may be beside them. Raises: ValueError."""
    protocol = _first(env, f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") or "grpc"
    standard = _PORTS.get(protocol, 4317)
    text = _first(env, f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    parts = urlsplit(text if "://" in text else f"http://{text or f'localhost:{standard}'}")
    port = parts.port  # raises ValueError itself
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme, standard)


def _first(env: Mapping[str, str], *names: str) -> str:
    return next((text for name in names if (text := env.get(name, "").strip())), "")


def _reach(host: str, port: int, signals: list[str]) -> Finding:
    told = f"{host}:{port} for {', '.join(signals)}"
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        cure = f"start a collector, set OTEL_EXPORTER_OTLP_ENDPOINT, or without one: {_WITHOUT}"
        return problem("collector", f"nobody answers at {told}: {reason}", cure)
    return ok("collector", told)
