"""What is going on, built from the frames of any number of gateways. Pure: no clock, no network, no screen.

The screen, `tail` and, in its own language, the web page show this model. Times are nanoseconds since the
epoch and are always passed in, so that a recording is replayed by its own clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Literal, TypeAlias

from otel_stream.events import Ended, Outcome, Started, TextDelta
from otel_stream.live.frames import Finished, Frame, Gateway, Lagged, Snapshot
from otel_stream.settlement import CHARACTERS_PER_TOKEN
from otel_stream.tui.meters import NS, PerSecond, percentile
from otel_stream.tui.row import BAD, Row

LINGER_SECONDS = 30  # a finished row stays so long, a bad end until it is dismissed
MAX_ENDED = 1000  # rows of ended streams kept, bad ends included; the oldest go first
MAX_DROPPED = 5000  # ids of rows dropped lately, which a snapshot after a reconnect must not bring back
TREND_SECONDS = 60
FIRST_TOKENS = 500  # the newest so many, of the last five minutes, make the percentiles
FIRST_TOKEN_SECONDS = 300

Link: TypeAlias = Literal["connecting", "live", "gone", "refused"]


class Feed:
    """One gateway process as it is known here."""

    __slots__ = ("gap", "info", "key", "link", "missed", "missed_unknown", "note", "where")

    def __init__(self, key: str, where: str = "") -> None:
        self.key = key
        self.where = where
        """The address it is watched at, for people."""
        self.info: Gateway | None = None
        self.link: Link = "connecting"
        self.note = ""
        """Why it is not live, for people."""
        self.missed = 0
        self.gap = False
        """Events were missed since the last snapshot."""
        self.missed_unknown = False
        """More was missed than `missed` says, and nobody knows how much."""


class Model:
    """All streams and all sums. Not thread-safe."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        """By request id, in the order in which they were first seen."""
        self.feeds: dict[str, Feed] = {}
        self.events = PerSecond(10)
        self.characters = PerSecond(TREND_SECONDS + 2)
        self.bad = PerSecond(60)
        self.spent = PerSecond(60)
        self.applied = 0
        """Events seen since the beginning."""
        self.outcomes: Counter[Outcome] = Counter()
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd = 0.0
        """Sums over the streams that ended while they were watched."""
        self._first_tokens: deque[tuple[int, float]] = deque(maxlen=FIRST_TOKENS)
        self._dropped: dict[str, None] = {}

    # -- what comes in -----------------------------------------------------------------------------

    def apply(self, key: str, frame: Frame, now: int) -> None:
        """Take one frame of the gateway `key`; `now` stands in for events that do not tell their time."""
        if isinstance(frame, TextDelta):
            self._delta(key, frame, frame.time_unix_nano or now)
        elif isinstance(frame, Snapshot):
            self._snapshot(key, frame, now)
            return
        elif isinstance(frame, Lagged):
            self._lagged(key, frame)
            return
        elif isinstance(frame, Started):
            self._row(key, frame.request_id, frame.time_unix_nano or now).begin(frame)
        else:
            self._finish(key, frame, frame.time_unix_nano or now)
        self.applied += 1
        self.events.add(now)

    def link(self, key: str, link: Link, *, where: str = "", note: str = "") -> None:
        """Note whether a gateway is being watched. What was in flight at one that is gone is lost."""
        feed = self.feed(key)
        feed.link, feed.note, feed.where = link, note, where or feed.where

    def gone(self, key: str, now: int) -> None:
        """The process ended: nothing of it is in flight any more."""
        self.link(key, "gone")
        self._lose(key, frozenset(), now)

    def forget(self, key: str) -> None:
        """Show a gateway no longer. Its ended streams stay as long as others do."""
        self.feeds.pop(key, None)

    def feed(self, key: str) -> Feed:
        if key not in self.feeds:
            self.feeds[key] = Feed(key)
        return self.feeds[key]

    def expire(self, now: int) -> None:
        """Drop rows that have been shown long enough."""
        ended = [row for row in self.rows.values() if row.ended_ns is not None]
        excess = len(ended) - MAX_ENDED
        for index, row in enumerate(sorted(ended, key=_ended_at)):
            over = now - _ended_at(row) > LINGER_SECONDS * NS
            if index < excess or (over and row.state(now) not in BAD):
                self._drop(row.request_id)

    def dismiss(self, request_ids: Iterable[str]) -> None:
        """Drop these rows if they have ended."""
        for request_id in request_ids:
            row = self.rows.get(request_id)
            if row is not None and not row.is_open:
                self._drop(request_id)

    # -- sums ----------------------------------------------------------------------------------------

    @property
    def ends(self) -> int:
        """How many streams ended while they were watched."""
        return sum(self.outcomes.values())

    @property
    def bad_ends(self) -> int:
        """How many of them ended badly, which leaves out what callers cancelled."""
        return sum(count for outcome, count in self.outcomes.items() if outcome in BAD)

    @property
    def missed(self) -> int:
        """How many events never arrived, as far as it is known."""
        return sum(feed.missed for feed in self.feeds.values())

    @property
    def missed_unknown(self) -> bool:
        return any(feed.missed_unknown for feed in self.feeds.values())

    def tokens_per_s(self, now: int) -> float:
        return self.characters.rate(now) / CHARACTERS_PER_TOKEN

    def trend(self, now: int, seconds: int = TREND_SECONDS) -> list[float]:
        """Return tokens of each of the last seconds, estimated from characters."""
        return [count / CHARACTERS_PER_TOKEN for count in self.characters.series(now, seconds)]

    def first_token_s(self, share: float, now: int) -> float | None:
        """Return a percentile of the time to the first token, over the last minutes."""
        since = now - FIRST_TOKEN_SECONDS * NS
        return percentile([seconds for at, seconds in self._first_tokens if at >= since], share)

    # -- plumbing ------------------------------------------------------------------------------------

    def _drop(self, request_id: str) -> None:
        del self.rows[request_id]
        self._dropped[request_id] = None
        if len(self._dropped) > MAX_DROPPED:
            del self._dropped[next(iter(self._dropped))]

    def _row(self, key: str, request_id: str, at: int) -> Row:
        row = self.rows.get(request_id)
        if row is None:
            info = self.feed(key).info
            row = self.rows[request_id] = Row(request_id, key, at, info.stall_seconds if info else 10.0)
        return row

    def _delta(self, key: str, event: TextDelta, at: int) -> None:
        row = self.rows.get(event.request_id) or self._row(key, event.request_id, at)
        first = row.first_token_s is None
        self.characters.add(at, row.delta(event, at))
        if first and row.first_token_s is not None:
            self._first_tokens.append((at, row.first_token_s))

    def _finish(self, key: str, event: Ended, at: int) -> None:
        row = self._row(key, event.request_id, at)
        if row.ended is not None:
            return
        if row.first_token_s is None and event.time_to_first_token_s is not None:
            self._first_tokens.append((at, event.time_to_first_token_s))
        row.finish(event, at)
        self.outcomes[event.outcome] += 1
        self.bad.add(at, event.outcome in BAD)
        self.spent.add(at, event.cost_usd or 0.0)
        self.input_tokens += event.input_tokens or 0
        self.output_tokens += event.output_tokens or 0
        self.cost_usd += event.cost_usd or 0.0

    def _snapshot(self, key: str, snapshot: Snapshot, now: int) -> None:
        feed = self.feed(key)
        feed.link, feed.note, feed.info = "live", "", snapshot.gateway
        if snapshot.resumed:
            return
        gap, feed.gap = feed.gap, False
        for state in snapshot.streams:
            row = self._row(key, state.request_id, state.time_unix_nano or now)
            if row.ended is None:
                self.characters.add(now, row.catch_up(state, snapshot.time_unix_nano, gap=gap))
        self._recent(key, snapshot.recent, now)
        self._lose(key, frozenset(state.request_id for state in snapshot.streams), now)

    def _recent(self, key: str, recent: Iterable[Finished], now: int) -> None:
        """Take streams that ended; those that ended too long ago to be shown are left out."""
        for finished in recent:
            ended = finished.ended
            at = ended.time_unix_nano or now
            known = ended.request_id in self.rows
            stale = now - at > LINGER_SECONDS * NS and ended.outcome not in BAD
            if not known and (stale or ended.request_id in self._dropped):
                continue
            if finished.started is not None:
                self._row(key, ended.request_id, at).begin(finished.started)
            self._finish(key, ended, at)

    def _lose(self, key: str, streams: frozenset[str], now: int) -> None:
        for row in self.rows.values():
            if row.gateway == key and row.is_open and row.request_id not in streams:
                row.lose(now)

    def _lagged(self, key: str, lagged: Lagged) -> None:
        feed = self.feed(key)
        feed.gap = True
        if lagged.missed is None:
            feed.missed_unknown = True
        else:
            feed.missed += lagged.missed


def _ended_at(row: Row) -> int:
    return row.ended_ns or 0
