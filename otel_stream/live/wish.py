"""What a watcher asked for: the query of `/events` and `/snapshot`, read and applied.

`model=gpt&tenant=acme` wants streams whose model contains "gpt" and whose tenant contains "acme"; several
values of one name want any of them. Case does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from otel_stream.events import Completed, Error, Started, StreamEvent, TextDelta
from otel_stream.live.frames import Finished
from otel_stream.processor.state import StreamState

FILTERS = {
    "id": "request_id",
    "model": "model",
    "provider": "provider",
    "agent": "agent_type",
    "tenant": "tenant",
    "session": "session_id",
    "call": "call_id",
    "trace": "trace_id",
    "source": "source",
}
"""Names in the query, and the field of `Started` each looks at."""

KINDS: dict[str, type[StreamEvent]] = {
    "started": Started,
    "text_delta": TextDelta,
    "completed": Completed,
    "error": Error,
}
_OPTIONS = ("events", "text", "refresh")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
MIN_REFRESH_SECONDS, MAX_REFRESH_SECONDS = 0.5, 3600.0
MAX_REMEMBERED = 20_000  # streams in flight; twice what the processor keeps
MAX_QUERY = 4096  # characters; a filter of a few words has some dozens


class WishError(ValueError):
    """The query is not understood; the message says why and what could stand there."""


class Wish:
    """Which streams and which of their events somebody wants."""

    def __init__(self, query: str = "") -> None:
        """Read a query string. Raises: WishError."""
        if len(query) > MAX_QUERY:
            raise WishError(f"the query has {len(query)} characters; at most {MAX_QUERY} are read")
        values = parse_qs(query, keep_blank_values=True)
        for name in values:
            if name not in FILTERS and name not in _OPTIONS:
                raise WishError(f"no parameter {name!r}; there are {', '.join((*FILTERS, *_OPTIONS))}")
        self._filters = [
            (FILTERS[name], [value.lower() for value in wanted])
            for name, wanted in values.items()
            if name in FILTERS
        ]
        self.kinds = _kinds(values.get("events"))
        self.text = _text(values.get("text"))
        """True: refuse me if there is none; False: none for me; None: what there is."""
        self.refresh_seconds = _refresh(values.get("refresh"))
        """A snapshot every so often; None: only first and after a gap."""
        self._wanted: dict[str, bool] = {}

    @property
    def everything(self) -> bool:
        """Nothing is filtered: the common case, and a cheap one."""
        return not self._filters and self.kinds is None

    def wants(self, event: StreamEvent, started: Callable[[str], Started | None]) -> bool:
        """Whether the event is wanted; `started` tells how its stream began."""
        if self.kinds is not None and type(event) not in self.kinds:
            return False
        return not self._filters or self._wants_stream(event, started)

    def _wants_stream(self, event: StreamEvent, started: Callable[[str], Started | None]) -> bool:
        name = event.request_id
        wanted = self._wanted.get(name)
        if wanted is None:
            begun = event if isinstance(event, Started) else started(name)
            wanted = begun is not None and self._passes(begun)
            if isinstance(event, Started | TextDelta):
                self._note(name, wanted)
        if isinstance(event, Completed | Error):
            self._wanted.pop(name, None)
        return wanted

    def wants_state(self, state: StreamState) -> bool:
        """Whether a stream in flight is wanted."""
        wanted = self._passes(state)
        self._note(state.request_id, wanted)
        return wanted

    def _note(self, request_id: str, wanted: bool) -> None:
        """Remember it until the stream's end, at which nobody knows any more how it began."""
        if self._filters:
            if len(self._wanted) >= MAX_REMEMBERED:
                self._wanted.clear()
            self._wanted[request_id] = wanted

    def _passes(self, stream: Started | StreamState) -> bool:
        return all(
            any(value in str(getattr(stream, field) or "").lower() for value in values)
            for field, values in self._filters
        )

    def wants_finished(self, finished: Finished) -> bool:
        """Whether a stream that ended passes the filters; one of unknown beginning passes none."""
        if finished.started is None:
            return not self._filters
        return self._passes(finished.started)

    def forget(self) -> None:
        """Decide anew for each stream: events were missed, maybe ends."""
        self._wanted.clear()


def _kinds(values: list[str] | None) -> frozenset[type[StreamEvent]] | None:
    if values is None:
        return None
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if name not in KINDS:
            raise WishError(f"events are {', '.join(KINDS)}; got {name!r}")
    return frozenset(KINDS[name] for name in names)


def _text(values: list[str] | None) -> bool | None:
    if values is None:
        return None
    if values[-1].lower() not in _FLAGS:
        raise WishError(f"text must be true or false; got {values[-1]!r}")
    return _FLAGS[values[-1].lower()]


def _refresh(values: list[str] | None) -> float | None:
    if values is None:
        return None
    try:
        seconds = float(values[-1])
    except ValueError:
        seconds = -1.0
    if not MIN_REFRESH_SECONDS <= seconds <= MAX_REFRESH_SECONDS:
        low, high = MIN_REFRESH_SECONDS, MAX_REFRESH_SECONDS
        raise WishError(f"refresh must be seconds from {low:g} to {high:g}; got {values[-1]!r}")
    return seconds
