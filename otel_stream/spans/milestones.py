"""A stream's events as they stand on its span, or in its logs: few, small and in order.

An SDK keeps 128 events a span and drops the oldest, so deltas come as windows that double in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import Event

from otel_stream.events import Ended, Started
from otel_stream.identity import Window
from otel_stream.stream import Stream

_STARTED = ("model", "agent_type", "provider", "operation", "call_id")
_ENDED = (
    "message", "error_type", "outcome", "input_tokens", "output_tokens", "cost_usd", "cost_source",
    "usage_source", "finish_reasons", "chunks", "output_characters", "duration_s", "time_to_first_token_s",
)  # fmt: skip


class SpanEvents:
    """Puts events on one span, as many as it keeps.

    `add_event` copies and checks each attribute, 4 to 8 us an event. Ours are of plain types already, so
    they go onto the SDK's span as they are and all at once, unless its limits are below what we write.
    """

    def __init__(self, span: trace.Span) -> None:
        limits = getattr(span, "_limits", None)
        self.most: int | None = getattr(limits, "max_events", None)
        self._span = span
        self._extend = getattr(getattr(span, "_events", None), "extend", None) if _roomy(limits) else None
        self._held: list[Event] = []

    def add(self, name: str, attributes: dict[str, Any], time_unix_nano: int | None) -> None:
        """Add one event; the dict must not change afterwards, and `write` must follow."""
        if self._extend is None:
            self._span.add_event(name, attributes, time_unix_nano)
        else:
            self._held.append(Event(name, attributes, time_unix_nano))

    def write(self) -> None:
        """Put what was added onto the span, which has not ended."""
        if self._extend is not None:
            self._extend(self._held)


def _roomy(limits: object) -> bool:
    """Whether nothing of ours would be cut: values of any length, and as many as an event of ours has."""
    most = getattr(limits, "max_event_attributes", 0)
    return getattr(limits, "max_attribute_length", 0) is None and (most is None or most > len(_ENDED))


def started(event: Started, stream: Stream) -> dict[str, Any]:
    """Return the attributes of `otel_stream.started`."""
    return _fields(event, _STARTED, stream)


def ended(event: Ended, stream: Stream) -> dict[str, Any]:
    """Return the attributes of `otel_stream.completed` and `otel_stream.error`; their counts are exact."""
    return _fields(event, _ENDED, stream)


def delta(window: Window, text: str | None) -> dict[str, Any]:
    """Return the attributes of `otel_stream.text_delta`: how many deltas it stands for and their length."""
    found: dict[str, Any] = {"chunks": window.chunks, "length": window.characters}
    if text is not None:
        found["text"] = text
    return found


def fitted(windows: Sequence[Window], room: int | None) -> Sequence[Window]:
    """Return the windows in at most `room` events (None: any number); the first stays as it is."""
    if room is None or len(windows) <= room:
        return windows
    if room <= 1:
        return windows[: max(0, room)]
    return [*windows[: room - 1], _merged(windows[room - 1 :])]


def _merged(windows: Sequence[Window]) -> Window:
    texts = [window.text for window in windows if window.text is not None]
    return Window(
        windows[0].start_unix_nano,
        windows[-1].end_unix_nano,
        sum(window.chunks for window in windows),
        sum(window.characters for window in windows),
        "".join(texts) if texts else None,
    )


def _fields(event: Started | Ended, names: Sequence[str], stream: Stream) -> dict[str, Any]:
    found: dict[str, Any] = {"request_id": stream.request_id}
    for name in names:
        value = getattr(event, name, None)
        if value is not None:
            found[name] = value
    return found
