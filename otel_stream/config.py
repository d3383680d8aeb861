"""Settings: one table of names, environment variables, allowed values and defaults.

Standard `OTEL_*` variables are used where they exist, `OTEL_STREAM_*` otherwise (docs/configuration.md).
A wrong value is an error at start that shows the value and the allowed ones; later on we only log.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
N = TypeVar("N", int, float)


class SettingError(ValueError):
    """A setting has a value we cannot use; the message names the variable, the value and what is allowed."""


class Kind(Generic[T]):
    """How the text of a setting is read, and what may stand there, in words."""

    def __init__(self, allowed: str, read: Callable[[str], T]) -> None:
        """`read` raises ValueError for text that is not allowed."""
        self.allowed = allowed
        self._read = read

    def parse(self, name: str, text: str) -> T:
        """Return the value. Raises: SettingError, naming the setting, what is allowed and the text."""
        try:
            return self._read(text.strip())
        except ValueError:
            raise SettingError(f"{name} must be {self.allowed}; got {text!r}") from None


def _find(text: str, allowed: Mapping[str, T]) -> T:
    try:
        return allowed[text.lower()]
    except KeyError:
        raise ValueError(text) from None


_FLAGS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}

_flag = Kind("true or false", lambda text: _find(text, _FLAGS))
_text = Kind("any text", str)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


_list = Kind("a comma-separated list", _names)


def _one_of(*allowed: str, **aliases: str) -> Kind[str]:
    values = {value.lower(): value for value in allowed} | aliases
    return Kind(f"one of {', '.join(allowed)}", lambda text: _find(text, values))


def _some_of(*allowed: str) -> Kind[tuple[str, ...]]:
    values = {value.lower(): value for value in allowed}
    return Kind(
        f"a comma-separated list of {', '.join(allowed)}",
        lambda text: tuple(_find(name, values) for name in _names(text)),
    )


def _whole(low: int, high: int) -> Kind[int]:
    return Kind(f"a whole number from {low} to {high}", lambda text: _within(int(text), low, high))


def _seconds(low: float, high: float) -> Kind[float]:
    return Kind(f"seconds from {low:g} to {high:g}", lambda text: _within(float(text), low, high))


def _within(value: N, low: N, high: N) -> N:
    if not low <= value <= high:  # so written, NaN is refused as well
        raise ValueError(value)
    return value


def setting(env: str, kind: Kind[T], default: T, about: str) -> T:
    """Return a dataclass field that carries its row of the table."""
    result: T = field(default=default, metadata={"env": env, "kind": kind, "about": about})
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, with its default. One instance per process, made at `instrument()`."""

    disabled: bool = setting("OTEL_SDK_DISABLED", _flag, False, "turn everything off")
    capture_content: str = setting(
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        # Older instrumentations read true and false from the same variable.
        _one_of(
            "NO_CONTENT",
            "SPAN_ONLY",
            "EVENT_ONLY",
            "SPAN_AND_EVENT",
            true="SPAN_AND_EVENT",
            false="NO_CONTENT",
        ),
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
        "latest",
        "names of the gen_ai.client.* metrics and cache attributes: newest, v1.41 or both",
    )
    exception_signal: tuple[str, ...] = setting(
        "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
        _list,
        (),
        "where exceptions go: empty = span events, logs = log-based events, logs/dup = both; others ignored",
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
        "OTEL_STREAM_PROPAGATE_HOSTS", _list, (), "hosts that are sent the trace context"
    )
    disabled_taps: tuple[str, ...] = setting(
        "OTEL_STREAM_DISABLED_TAPS", _list, (), "taps that are not installed, e.g. flask,urllib3"
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
    prometheus_certfile: str = setting(
        "OTEL_STREAM_PROMETHEUS_CERTFILE", _text, "", "certificate file: serve /metrics by TLS"
    )
    prometheus_keyfile: str = setting(
        "OTEL_STREAM_PROMETHEUS_KEYFILE", _text, "", "its key, where that is a file of its own"
    )
    prometheus_client_ca: str = setting(
        "OTEL_STREAM_PROMETHEUS_CLIENT_CA", _text, "", "CA file: scrapers must show a certificate of it"
    )
    metric_labels: tuple[str, ...] = setting(
        "OTEL_STREAM_METRIC_LABELS",
        _some_of("agent", "tenant"),
        (),
        "attribution labels with values: agent, tenant; others stay 'unknown'",
    )
    text: bool = setting(
        "OTEL_STREAM_TEXT", _flag, True, "let the text of answers into the events in-process subscribers get"
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

    tail: str = setting(
        "OTEL_STREAM_TAIL",
        _text,
        "",
        "write events as lines of JSON to 'stderr', a file, a FIFO or a Unix socket",
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Return the settings the environment gives; `overrides` win and are checked like it.

        Raises: SettingError for a value that is not allowed, TypeError for a setting that does not exist.
        """
        env = os.environ if env is None else env
        values = {name: _checked(name, value) for name, value in overrides.items()}
        for row in fields(cls):
            variable = row.metadata["env"]
            text = env.get(variable, "").strip()
            if text and row.name not in values:
                values[row.name] = row.metadata["kind"].parse(variable, text)
        return cls(**values)


def _checked(name: str, value: Any) -> Any:
    """Return an override in the setting's own type, passing it through the same check as the environment."""
    row = {f.name: f for f in fields(Settings)}.get(name)
    if row is None:
        raise TypeError(f"there is no setting {name!r}; there are {', '.join(setting_names())}")
    text = ",".join(value) if isinstance(value, (tuple, list)) else str(value)
    return row.metadata["kind"].parse(name, text)


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings, in the order of the table."""
    return tuple(row.name for row in fields(Settings))


def unknown_variables(env: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the variables that look like settings of ours and are none: misspelt, or of another version."""
    env = os.environ if env is None else env
    known = {row.env for row in table()}
    return tuple(sorted(name for name in env if name.startswith("OTEL_STREAM_") and name not in known))


class Row(NamedTuple):
    """One line of the table of settings, all of it text."""

    env: str
    name: str
    allowed: str
    default: str
    about: str


def table() -> list[Row]:
    """Return the table of settings, for docs/configuration.md and `otel-stream doctor`."""
    return [
        Row(meta["env"], row.name, meta["kind"].allowed, shown(row.default), meta["about"])
        for row in fields(Settings)
        for meta in (row.metadata,)
    ]


def shown(value: Any) -> str:
    """Return a setting's value as it would stand in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        ",".join(value)
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
