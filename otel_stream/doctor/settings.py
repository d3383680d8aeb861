"""What an environment's variables say: ours one by one, and those of OpenTelemetry that can switch us off."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.util import find_spec

from otel_stream import config
from otel_stream.config import SettingError, Settings
from otel_stream.doctor.report import Finding, note, ok, problem
from otel_stream.instrumentation import HOOKS

DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_EVERYTHING = "*"


def read(env: Mapping[str, str]) -> Settings | None:
    """Return the settings the environment gives, or None where one is wrong."""
    try:
        return Settings.from_env(env)
    except SettingError:
        return None


def findings(env: Mapping[str, str]) -> list[Finding]:
    """Return what the variables say. No value of a variable that may be secret is told."""
    return [*_values(env), *_misspelt(env), *_switches(env), *_wants(env)]


def _values(env: Mapping[str, str]) -> list[Finding]:
    found = []
    for row in config.table():
        text = env.get(row.env, "").strip()
        if text:
            try:
                Settings.from_env({row.env: text})
            except SettingError as error:
                found.append(problem("setting", str(error), "the gateway starts, and nothing is recorded"))
            else:
                found.append(ok("setting", f"{row.env}={text}"))
    return found or [ok("settings", "all at their defaults (docs/configuration.md)")]


def _misspelt(env: Mapping[str, str]) -> list[Finding]:
    known = [row.env for row in config.table()]
    found = []
    for name in config.unknown_variables(env):
        alike = difflib.get_close_matches(name, known, 1)
        cure = f"did you mean {alike[0]}?" if alike else "docs/configuration.md has those there are"
        found.append(problem("setting", f"{name} is no setting, it changes nothing", cure))
    return found


def _switches(env: Mapping[str, str]) -> list[Finding]:
    settings = read(env)
    found = []
    if settings is not None and settings.disabled:
        found.append(problem("OTEL_SDK_DISABLED", "is true: nothing is recorded", "unset OTEL_SDK_DISABLED"))
    names = [name.strip() for name in env.get(DISABLED, "").split(",")]
    return found + [
        problem(DISABLED, f"names {name!r}, so that otel-stream is not started", "take it out of the list")
        for name in names
        if name in ("otel_stream", _EVERYTHING)
    ]


def _wants(env: Mapping[str, str]) -> list[Finding]:
    """What is asked for and cannot be had."""
    settings = read(env)
    if settings is None:
        return []
    found = []
    taps = {state.tap for state in HOOKS.states()}
    for name in settings.disabled_taps:
        if name not in taps:
            told = f"OTEL_STREAM_DISABLED_TAPS names {name!r}, which is no tap"
            found.append(problem("setting", told, f"taps are {', '.join(sorted(taps))}"))
    if settings.live != "off" and find_spec("h11") is None:
        told = f"OTEL_STREAM_LIVE is {settings.live}, and the endpoint needs h11"
        found.append(problem("live feed", told, "pip install 'otel-stream[live]'"))
    if settings.live_text and not settings.text:
        told = "OTEL_STREAM_LIVE_TEXT lets text out, and OTEL_STREAM_TEXT=false keeps it in"
        found.append(note("live feed", told))
    return found
