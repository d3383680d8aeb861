"""What is installed here that a start needs: OpenTelemetry's parts, their entry points, our extras."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from otel_stream.contextvar import COLLECTS_ANYWHERE
from otel_stream.doctor.report import Finding, note, ok, problem
from otel_stream.instrumentation.status import installed

LAUNCHER = "opentelemetry-instrument"
PARTS = ("api", "sdk", "instrumentation", "distro", "exporter-otlp")
EXTRAS = {
    "live": ("h11",),
    "tui": ("textual",),
    "compression": ("brotli", "zstandard"),
    "demo": ("fastapi", "uvicorn", "httpx2"),
}
"""Extra → the modules it brings that tell whether it is installed."""

GENAI_WORDS = (
    "openai", "anthropic", "genai", "bedrock", "cohere", "mistral", "groq", "ollama", "litellm", "vertexai",
    "langchain",
)  # fmt: skip
"""What the names of other GenAI instrumentations' entry points are made of."""


def findings(env: Mapping[str, str]) -> list[Finding]:
    """Return what there is to say of this environment's packages."""
    return [
        _python(),
        *_parts(),
        _launcher(env),
        *_one_of("configurator", "OTEL_PYTHON_CONFIGURATOR", env),
        *_one_of("distro", "OTEL_PYTHON_DISTRO", env),
        *_instrumentors(env),
        _extras(),
    ]


def launcher(env: Mapping[str, str]) -> str | None:
    """Return `opentelemetry-instrument`: the one on the PATH, else the one beside this Python."""
    beside = Path(sys.executable).with_name(LAUNCHER)
    return shutil.which(LAUNCHER, path=env.get("PATH", "")) or (str(beside) if beside.exists() else None)


def _python() -> Finding:
    """Return which Python this is, and whether LiteLLM can crash it: see `otel_stream.contextvar`."""
    told = f"{platform.python_version()} at {sys.executable}"
    if COLLECTS_ANYWHERE and installed("litellm"):
        told += "; LiteLLM sets contextvars in finalizers, of which Python before 3.12 may crash"
        return note("Python", told, "run LiteLLM on Python 3.12 or newer")
    return ok("Python", told)


def _parts() -> list[Finding]:
    versions = {f"opentelemetry-{part}": installed(f"opentelemetry-{part}") for part in PARTS}
    missing = [name for name, version in versions.items() if not version]
    told = ", ".join(
        f"{name.removeprefix('opentelemetry-')} {version or '?'}" for name, version in versions.items()
    )
    found = [ok("otel-stream", installed("otel-stream")), ok("OpenTelemetry", told)]
    if missing:
        found.append(
            problem("OpenTelemetry", f"not installed: {', '.join(missing)}", "pip install otel-stream")
        )
    return found


def _launcher(env: Mapping[str, str]) -> Finding:
    path = launcher(env)
    if path is None:
        return problem(
            "launcher", f"{LAUNCHER} is not there", f"{sys.executable} -m pip install opentelemetry-distro"
        )
    if shutil.which(LAUNCHER, path=env.get("PATH", "")) is None:
        return note("launcher", f"{path}, which is not on the PATH", "call it by its full name")
    beside = Path(sys.executable).with_name(LAUNCHER)
    if beside.exists() and not beside.samefile(path):
        return note(
            "launcher",
            f"{path} is found first, and is not the one of this Python",
            f"if the gateway runs with this Python, start it with {beside}",
        )
    return ok("launcher", path)


def _one_of(what: str, variable: str, env: Mapping[str, str]) -> list[Finding]:
    """Return which of the installed ones will be used: the one that is named, else the first."""
    found = [entry.name for entry in entry_points(group=f"opentelemetry_{what}")]
    wanted = env.get(variable, "")
    if wanted and wanted not in found:
        there = ", ".join(found) or "none"
        return [problem(what, f"{variable} is {wanted!r}; installed: {there}", f"unset {variable}")]
    if not found:
        return [
            problem(what, "none is installed, so nothing sets up an SDK", "pip install opentelemetry-distro")
        ]
    if len(found) > 1 and not wanted:
        told = f"{found[0]} is used, the first of {', '.join(found)}"
        return [note(what, told, f"{variable} chooses one")]
    return [ok(what, wanted or found[0])]


def _instrumentors(env: Mapping[str, str]) -> list[Finding]:
    every = list(entry_points(group="opentelemetry_instrumentor"))
    ours = [entry for entry in every if entry.name == "otel_stream"]
    if not ours:
        return [
            problem(
                "entry point",
                "opentelemetry-instrument cannot find otel-stream: its entry point is not installed",
                f"{sys.executable} -m pip install --force-reinstall otel-stream",
            )
        ]
    values = sorted({entry.value for entry in ours})
    if len(values) > 1:
        told = f"several packages call themselves otel_stream: {', '.join(values)}"
        return [problem("entry point", told, "uninstall all but one")]
    return [ok("entry point", values[0]), *_others(every, env)]


def _others(every: list[EntryPoint], env: Mapping[str, str]) -> list[Finding]:
    """Other instrumentations of the same calls: no call is counted twice, but somebody should know."""
    genai = sorted({entry.name for entry in every if any(word in entry.name for word in GENAI_WORDS)})
    if not genai:
        return []
    how = env.get("OTEL_STREAM_FOREIGN_SPANS", "").strip() or "enrich"
    told = f"{', '.join(genai)}: instrument the same calls; their spans are treated by {how!r}"
    return [note("others", told, "OTEL_STREAM_FOREIGN_SPANS: enrich, skip or separate")]


def _extras() -> Finding:
    there = {name: all(map(find_spec, modules)) for name, modules in EXTRAS.items()}
    missing = [name for name, found in there.items() if not found]
    told = ", ".join(f"{name} {'yes' if found else 'no'}" for name, found in there.items())
    if missing:
        return note("extras", told, f"pip install 'otel-stream[{','.join(missing)}]'")
    return ok("extras", told)
