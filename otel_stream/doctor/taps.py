"""What a process's own status means: which libraries are watched, and why one is not."""

from __future__ import annotations

from otel_stream.doctor import network
from otel_stream.doctor.report import Finding, note, ok, problem
from otel_stream.instrumentation.status import Status, TapStatus

_CURES = {
    "too old": "pip install --upgrade {library}",
    "failed": "pip install --upgrade otel-stream; if it is the newest, report it with this line",
}
_WITHOUT_SDK = ("ProxyTracerProvider", "NoOpTracerProvider")


def findings(status: Status) -> list[Finding]:
    """Return a line for each library that is installed, and what else stands in the way of spans."""
    if not status.instrumented:
        return []
    found = [_tap(tap) for tap in status.taps if tap.version and tap.state != "waiting"]
    waiting = {
        f"{tap.library} {tap.version}" for tap in status.taps if tap.state == "waiting" and tap.version
    }
    absent = {tap.library for tap in status.taps if not tap.version}
    if waiting:
        told = f"{', '.join(sorted(waiting))}: not imported yet, and watched from then on"
        found.append(note("waiting", told))
    if absent:
        found.append(note("not installed", ", ".join(sorted(absent))))
    if status.uncovered:
        told = f"{', '.join(status.uncovered)}: calls through these are seen by no tap"
        found.append(note("not covered", told))
    return [*found, _tracing(status)]


def traffic(status: Status) -> list[Finding]:
    """Return what went by in a running process, and what failed inside us."""
    if not status.instrumented:
        return []
    found = [_streams(status), _metrics(status)]
    for stage, count in sorted(status.errors.items()):
        told = f"{stage}: {count} times; the gateway's streams are unaffected"
        found.append(note("errors", told, "docs/runbook.md#llmstreaminstrumentationerrors"))
    found += [ok("setting", f"{name}={value}") for name, value in sorted(status.settings.items())]
    return found


def _tap(tap: TapStatus) -> Finding:
    name = f"{tap.library} {tap.version}"
    where = "" if tap.module == tap.library else f" ({tap.module})"
    match tap.state:
        case "installed":
            return ok(tap.tap, f"{name}{where} is watched")
        case "off":
            return note(tap.tap, f"{name}{where} is not watched: {tap.reason}")
        case _:
            cure = _CURES.get(tap.state, "").format(library=tap.library)
            return problem(tap.tap, f"{name}{where} is not watched: {tap.reason}", cure)


def _tracing(status: Status) -> Finding:
    if status.tracing in _WITHOUT_SDK:
        told = "no SDK is set up, so spans go nowhere; counters and live events work"
        return problem("spans", told, "start it with opentelemetry-instrument, or set a TracerProvider up")
    return ok("spans", f"are recorded by a {status.tracing}")


def _metrics(status: Status) -> Finding:
    match status.metrics:
        case "served":
            return ok("/metrics", f"at {status.metrics_url}")
        case "shared":
            return ok("/metrics", "another worker serves it for all")
        case "off":
            return note("/metrics", "is switched off by OTEL_STREAM_PROMETHEUS")
        case _:
            told = "its port was taken when this process began: what it counts is nowhere to be seen"
            return problem("/metrics", told, network.CURE_PORT)


def _streams(status: Status) -> Finding:
    told = f"{status.streams} recorded, {status.in_flight} in flight, {status.requests} requests went by"
    if status.streams:
        return ok("streams", told)
    if status.requests:
        return note("streams", f"{told}: none was an LLM call we know", "docs/formats.md lists what is known")
    return note("streams", f"{told}: nothing has gone out through a library that is watched")
