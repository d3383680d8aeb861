"""A start, rehearsed: a child of this Python under `opentelemetry-instrument` says what was hooked in it.

So client libraries are imported in the child alone, and what is reported is what really happens, including
how the SDK's own set-up goes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from otel_stream.doctor import packages, settings, taps
from otel_stream.doctor.child import Report
from otel_stream.doctor.network import MULTIPROC
from otel_stream.doctor.report import Finding, Section, problem
from otel_stream.redact import without_secrets

MAX_SECONDS = 180.0  # LiteLLM's proxy takes a quarter of a minute to import, on a busy machine a whole one
_BESIDE = {"OTEL_STREAM_LIVE": "off", "OTEL_EXPORTER_PROMETHEUS_PORT": "0"}
_WITHOUT = ("OTEL_STREAM_TAIL", MULTIPROC, MULTIPROC.lower())


def rehearse(modules: Sequence[str], env: Mapping[str, str], seconds: float = MAX_SECONDS) -> Section:
    """Start, import the modules (none: the libraries we know), and return what was hooked."""
    title = f"A start that imports {', '.join(modules)}" if modules else "A start, with all libraries we know"
    launcher = packages.launcher(env)
    if launcher is None:
        return Section(title, [problem("start", f"needs {packages.LAUNCHER}")])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [launcher, "--", sys.executable, "-m", "otel_stream.doctor.child", str(file), *modules]
        try:
            log = subprocess.run(
                command,
                env=_beside_others(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            ).stderr.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            told = f"not through after {seconds:g} s: does the module start its server when it is imported?"
            return Section(title, [problem("start", told, "name the module that only makes the application")])
        if not file.exists():
            return Section(title, [problem("start", _last_words(log) or "ended without a word")])
        return _section(title, msgspec.json.decode(file.read_bytes(), type=Report), log)


def _beside_others(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment, but so that a gateway that runs already is not disturbed."""
    kept = {name: value for name, value in env.items() if name not in _WITHOUT}
    return kept if settings.read(env) is None else {**kept, **_BESIDE}


def _section(title: str, report: Report, log: str) -> Section:
    found: list[Finding] = []
    if not report.status.instrumented:
        told = _last_words(log) or "otel-stream is not started; the lines above say why"
        found.append(problem("start", f"nothing would be recorded: {told}"))
    found += [problem("import", without_secrets(f"{name}: {why}")) for name, why in report.failed.items()]
    return Section(title, [*found, *taps.findings(report.status)], report.status)


def _last_words(log: str) -> str:
    """Return the last line of a log: a traceback ends with what was wrong."""
    lines = [line for line in log.splitlines() if line.strip()]
    return without_secrets(lines[-1]) if lines else ""
