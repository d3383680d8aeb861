"""Settings: one table of names, environment variables, allowed values and defaults.

Standard `OTEL_*` variables are used where they exist, `OTEL_STREAM_*` otherwise (docs/configuration.md).
A wrong value is an error at start that shows the value and the allowed ones; later on we only log.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


class SettingError(ValueError):
    """A setting has a value we cannot use; the message names the variable, the value and what is allowed."""


def _flag(text: str) -> bool:
    match text.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
    raise ValueError("true or false")


def _text(text: str) -> str:
    return text.strip()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _one_of(*allowed: str) -> Callable[[str], str]:
    by_lower = {value.lower(): value for value in allowed}

    def parse(text: str) -> str:
        try:
            return by_lower[text.strip().lower()]
        except KeyError:
            raise ValueError(f"one of {', '.join(map(repr, allowed))}") from None

    return parse


def _some_of(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    one = _one_of(*allowed)

    def parse(text: str) -> tuple[str, ...]:
        try:
            return tuple(one(name) for name in _names(text))
        except ValueError:
            raise ValueError(f"a comma-separated list of {', '.join(allowed)}") from None

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"seconds from {low:g} to {high:g}")
        return value

    return parse


def setting(env: str, parse: Callable[[str], T], default: T, about: str) -> T:
    """Return a dataclass field that carries its row of the table."""
    row = {"env": env, "parse": parse, "about": about}
    result: T = field(default=default, metadata=row)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, with its default. One instance per process, made at `instrument()`."""

    disabled: bool = setting("OTEL_SDK_DISABLED", _flag, False, "turn everything off")
    capture_content: str = setting(
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        _one_of("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"),
        "NO_CONTENT",
        "put prompts and answers on spans, on events, on both or nowhere",
    )
    events: str = setting(
        "OTEL_STREAM_EVENTS",
        _one_of("span", "log", "both", "none"),
        "span",
        "write stream events as span events, log-based events, both or not at all",
    )
    semconv: str = setting(
        "OTEL_STREAM_SEMCONV",
        _one_of("latest", "v1.41", "dup"),
        "dup",
        "names of the gen_ai.client.* metrics and cache attributes: newest, v1.41 or both",
    )
    cancel_is_error: bool = setting(
        "OTEL_STREAM_CANCEL_IS_ERROR", _flag, False, "give cancelled streams the span status ERROR"
    )
    foreign_spans: str = setting(
        "OTEL_STREAM_FOREIGN_SPANS",
        _one_of("enrich", "skip", "separate"),
        "enrich",
        "what to do when another GenAI instrumentation's span is current",
    )
    propagate_hosts: tuple[str, ...] = setting(
        "OTEL_STREAM_PROPAGATE_HOSTS", _names, (), "hosts that are sent the trace context"
    )
    disabled_taps: tuple[str, ...] = setting(
        "OTEL_STREAM_DISABLED_TAPS", _names, (), "taps that are not installed, e.g. flask,urllib3"
    )
    estimate_usage: str = setting(
        "OTEL_STREAM_ESTIMATE_USAGE",
        _one_of("bad_end", "always", "never"),
        "bad_end",
        "estimate tokens from characters where the provider reported none",
    )
    cache_hit_header: str = setting(
        "OTEL_STREAM_CACHE_HIT_HEADER",
        _text,
        "",
        "answer header that marks a gateway's cache hit, as 'name' or 'name: value'",
    )
    prices: str = setting("OTEL_STREAM_PRICES", _text, "", "file of prices that override the table")
    stall_seconds: float = setting(
        "OTEL_STREAM_STALL_SECONDS", _seconds(0.1, 3600), 10.0, "a longer gap is a stall"
    )
    idle_seconds: float = setting(
        "OTEL_STREAM_IDLE_SECONDS",
        _seconds(1, 86400),
        600.0,
        "a stream silent for longer is ended as abandoned",
    )
    max_frame_bytes: int = setting(
        "OTEL_STREAM_MAX_FRAME_BYTES",
        _whole(4096, 1 << 30),
        8 << 20,
        "larger frames are dropped and counted; images arrive as frames of some MiB",
    )
    capacity: int = setting(
        "OTEL_STREAM_CAPACITY", _whole(1, 1 << 24), 1000, "events a slow subscriber may fall behind"
    )
    prometheus: bool = setting(
        "OTEL_STREAM_PROMETHEUS", _flag, True, "count on prometheus_client and serve /metrics"
    )
    prometheus_host: str = setting(
        "OTEL_EXPORTER_PROMETHEUS_HOST", _text, "127.0.0.1", "address /metrics is served on"
    )
    prometheus_port: int = setting(
        "OTEL_EXPORTER_PROMETHEUS_PORT", _whole(0, 65535), 9464, "its port; 0 picks a free one"
    )
    metric_labels: tuple[str, ...] = setting(
        "OTEL_STREAM_METRIC_LABELS",
        _some_of("agent", "tenant"),
        (),
        "attribution labels with values: agent, tenant; others stay 'unknown'",
    )
    live: str = setting(
        "OTEL_STREAM_LIVE", _one_of("off", "unix", "tcp"), "off", "serve the live feed on a socket"
    )
    live_path: str = setting(
        "OTEL_STREAM_LIVE_PATH", _text, "", "folder of the Unix socket; empty picks the user's own"
    )
    live_port: int = setting(
        "OTEL_STREAM_LIVE_PORT", _whole(0, 65535), 0, "loopback port of the live feed; 0 picks one"
    )
    live_text: bool = setting(
        "OTEL_STREAM_LIVE_TEXT", _flag, False, "let the text of answers onto the live feed"
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Return the settings the environment gives; `overrides` win and are checked like it.

        Raises: SettingError for a value that is not allowed, TypeError for a setting that does not exist.
        """
        env = os.environ if env is None else env
        values = {name: _checked(name, value) for name, value in overrides.items()}
        for row in fields(cls):
            text = env.get(row.metadata["env"], "").strip()
            if text and row.name not in values:
                values[row.name] = _parsed(row.metadata, text)
        return cls(**values)


def _checked(name: str, value: Any) -> Any:
    """Return an override in the setting's own type, passing it through the same check as the environment."""
    row = {f.name: f for f in fields(Settings)}.get(name)
    if row is None:
        raise TypeError(f"there is no setting {name!r}; there are {', '.join(setting_names())}")
    text = ",".join(value) if isinstance(value, (tuple, list)) else str(value)
    return _parsed(row.metadata, text)


def _parsed(row: Mapping[str, Any], text: str) -> Any:
    try:
        return row["parse"](text)
    except ValueError as error:
        raise SettingError(f"{row['env']} must be {error}; got {text!r}") from None


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings, in the order of the table."""
    return tuple(row.name for row in fields(Settings))


def table() -> list[tuple[str, str, str, str]]:
    """Return rows of (variable, name, default, meaning) for the docs and `otel-stream doctor`."""
    return [
        (row.metadata["env"], row.name, _shown(row.default), row.metadata["about"])
        for row in fields(Settings)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
