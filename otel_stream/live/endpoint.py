"""What is answered to whom: the paths of the live endpoint, without a server. `http` and `asgi` carry it.

/           the web page
/events     server-sent events, a snapshot first
/snapshot   the same snapshot as JSON, once
/metrics    the process's Prometheus metrics
/status     which libraries are watched in this process and why one is not, as JSON
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from otel_stream._guard import logger
from otel_stream.broadcaster import Closed
from otel_stream.live import page
from otel_stream.live.feed import Feed, Subscription
from otel_stream.live.frames import encode_control
from otel_stream.live.gate import Gate
from otel_stream.live.wish import Wish, WishError

MAX_WATCHERS = 8  # each costs the gateway about 1 % of a core at 5,000 events a second
BATCH_SECONDS = 0.05  # twenty times a second looks immediate, at a tenth of the cost of each event at once
_TEND_SECONDS = 0.1

_NO_TEXT = (
    "this gateway keeps text off the live feed; OTEL_STREAM_LIVE_TEXT=true in its environment allows it"
)
_TOLD_WITH = {401: {"www-authenticate": "Bearer"}, 405: {"allow": "GET, HEAD"}}
_SAFE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


Metrics: TypeAlias = Callable[[str], tuple[str, bytes]]
"""Gets the header `Accept`; returns content type and body of `/metrics`."""

Status: TypeAlias = Callable[[], bytes]
"""Returns the JSON of `/status`."""


class Asked(NamedTuple):
    """A request; header names are lower-case, of several of one name the first counts."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class Stream:
    """The body of `/events`: an async iterator of bytes. Whoever got one must `close` it."""

    def __init__(self, subscription: Subscription, ending: Callable[[], bool]) -> None:
        """Once `ending()` is true there is one more batch, with what came until then."""
        self._subscription = subscription
        self._ending = ending
        self._first = True
        self._last = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return what is new, some time after it is there; empty now and then, to look for a lost watcher."""
        if self._first:
            self._first = False
            return self._subscription.first()
        if self._last:
            raise StopAsyncIteration
        await asyncio.sleep(BATCH_SECONDS)
        self._last = self._ending()
        try:
            return self._subscription.more()
        except Closed:
            raise StopAsyncIteration from None

    def close(self) -> None:
        self._subscription.close()


class Reply(NamedTuple):
    """An answer, whole or as a stream."""

    status: int
    headers: dict[str, str]
    body: bytes | Stream


class Endpoint:
    """Answers requests to one feed. Lives in one event loop."""

    def __init__(
        self,
        feed: Feed,
        *,
        gate: Gate | None = None,
        metrics: Metrics | None = None,
        status: Status | None = None,
    ) -> None:
        """`gate` None: whoever carries us has checked who asks. `metrics`, `status` None: no such path."""
        self.feed = feed
        self._gate = gate
        self._metrics = metrics
        self._status = status
        self.ending = False
        """Set before the end, so that watchers get what has come until then."""
        self._tending: asyncio.Task[None] | None = None
        self._paths: dict[str, Callable[[Asked], Reply]] = {
            "/": self._page,
            "/events": self._events,
            "/snapshot": self._snapshot,
        }
        if metrics is not None:
            self._paths["/metrics"] = self._prometheus
        if status is not None:
            self._paths["/status"] = self._told

    def answer(self, asked: Asked) -> Reply:
        """Return the answer; never raises for what a request can say."""
        refused = self._gate.refusal(asked.path, asked.headers) if self._gate else None
        if refused is not None:
            self.feed.clients.refused += 1
            return problem(*refused)
        handler = self._paths.get(asked.path)
        if handler is None:
            return problem(404, f"no {asked.path}; there are {', '.join(self._paths)}")
        if asked.method not in ("GET", "HEAD"):
            return problem(405, "there is nothing to change here; GET and HEAD are answered")
        try:
            return handler(asked)
        except WishError as error:
            return problem(400, str(error))

    # -- the paths -----------------------------------------------------------------------------------------

    def _page(self, asked: Asked) -> Reply:  # noqa: ARG002 - a handler
        return Reply(200, {**_SAFE, **page.headers()}, page.load())

    def _events(self, asked: Asked) -> Reply:
        wish = Wish(asked.query)
        if wish.text and not self.feed.allows_text:
            return problem(403, _NO_TEXT)
        if self.feed.clients.watching >= MAX_WATCHERS:
            self.feed.clients.refused += 1
            return problem(503, f"{MAX_WATCHERS} are watching already", {"retry-after": "5"})
        headers = {**_SAFE, "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
        if asked.method == "HEAD":
            return Reply(200, headers, b"")
        subscription = self.feed.subscribe(wish, asked.headers.get("last-event-id", ""))
        self._tend()
        return Reply(200, headers, Stream(subscription, lambda: self.ending))

    def _snapshot(self, asked: Asked) -> Reply:
        snapshot, _ = self.feed.snapshot(Wish(asked.query))
        body = encode_control(msgspec.structs.replace(snapshot, clients=self.feed.clients))
        return Reply(200, {**_SAFE, "content-type": "application/json"}, body)

    def _prometheus(self, asked: Asked) -> Reply:
        assert self._metrics is not None  # noqa: S101 - else there is no such path
        kind, body = self._metrics(asked.headers.get("accept", ""))
        return Reply(200, {**_SAFE, "content-type": kind}, body)

    def _told(self, asked: Asked) -> Reply:  # noqa: ARG002 - a handler
        assert self._status is not None  # noqa: S101 - else there is no such path
        return Reply(200, {**_SAFE, "content-type": "application/json"}, self._status())

    # -- what happens beside the answers ---------------------------------------------------------------------

    def _tend(self) -> None:
        """See to the feed's held place in the log while somebody watches and for a while after."""
        if self._tending is None or self._tending.done():
            self._tending = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self.feed.clients.watching or self.feed.tend():  # noqa: ASYNC110 - time itself is waited for
            await asyncio.sleep(_TEND_SECONDS)

    def drop(self, why: str) -> None:
        """Note that a watcher is let go."""
        self.feed.clients.dropped += 1
        logger.info("a watcher of the live feed is dropped: %s", why)


def problem(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer that says what is wrong."""
    told = {**_SAFE, "content-type": "application/json", **_TOLD_WITH.get(status, {}), **(headers or {})}
    return Reply(status, told, msgspec.json.encode({"error": reason}))
