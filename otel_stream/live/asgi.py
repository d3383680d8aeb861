"""The live endpoint inside the gateway's own server, as an ASGI application to be mounted.

    app.mount("/live", LiveApp(lambda: current().processor, authorize=is_operator))

It shows the streams of the process that answers, so with several workers rather use the setting `live`.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from otel_stream.config import Settings
from otel_stream.live.endpoint import Asked, Endpoint, Metrics, Reply, Stream, problem
from otel_stream.live.feed import Feed
from otel_stream.live.recent import Recent
from otel_stream.processor import StreamSpanProcessor

STALL_SECONDS = 10.0  # a watcher that takes nothing for so long is let go

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Authorize: TypeAlias = Callable[[Scope], "bool | Awaitable[bool]"]


class LiveApp:
    """Answers /, /events, /snapshot and, with `metrics`, /metrics below where it is mounted."""

    def __init__(
        self,
        find: Callable[[], StreamSpanProcessor | None],
        *,
        authorize: Authorize,
        text: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        """`find` is asked at the first request: the processor may not be there while routes are made.

        `authorize(scope)` says whether a request may see what is going on; there is no default, because the
        server this is mounted in is likely to be open to others. `text` lets the text of answers out.
        """
        self._find = find
        self._authorize = authorize
        self._text = text
        self._metrics = metrics
        self._endpoint: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"the live endpoint speaks http, not {scope['type']}")
        asked = _asked(scope)
        reply = await self._answer(scope, asked)
        await _start(send, reply)
        if isinstance(reply.body, bytes):
            body = b"" if asked.method == "HEAD" else reply.body
            await send({"type": "http.response.body", "body": body})
            return
        try:
            await self._stream(reply.body, receive, send)
        finally:
            reply.body.close()

    async def _answer(self, scope: Scope, asked: Asked) -> Reply:
        if not asked.path:  # the page's own addresses are relative to a folder
            return Reply(307, {"location": scope.get("root_path", "") + "/"}, b"")
        allowed = self._authorize(scope)
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if not allowed:
            return problem(403, "not allowed")
        endpoint = self._prepared()
        if endpoint is None:
            return problem(503, "nothing is instrumented in this process")
        return endpoint.answer(asked)

    def _prepared(self) -> Endpoint | None:
        if self._endpoint is None:
            processor = self._find()
            if processor is None:
                return None
            recent = Recent()
            processor.broadcaster.add_listener(recent.on_event)
            feed = Feed(processor, Settings(live_text=self._text), recent)
            self._endpoint = Endpoint(feed, metrics=self._metrics)
        return self._endpoint

    async def _stream(self, body: Stream, receive: Receive, send: Send) -> None:
        left = asyncio.get_running_loop().create_task(_disconnected(receive))
        try:
            async for chunk in body:
                if left.done():
                    return
                if chunk:
                    message = {"type": "http.response.body", "body": chunk, "more_body": True}
                    await asyncio.wait_for(send(message), STALL_SECONDS)
            await send({"type": "http.response.body", "body": b""})
        except asyncio.TimeoutError:
            if self._endpoint is not None:
                self._endpoint.drop(f"it took nothing for {STALL_SECONDS:g} s")
        except OSError:
            return  # it left
        finally:
            left.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, reply: Reply) -> None:
    headers = dict(reply.headers)
    if isinstance(reply.body, bytes):
        headers["content-length"] = str(len(reply.body))
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})


def _asked(scope: Scope) -> Asked:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    query = scope.get("query_string", b"").decode("latin-1")
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return Asked(scope["method"], path, query, headers)
