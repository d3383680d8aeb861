"""A server tap for any ASGI application: the Starlette and uvicorn hooks use it, and so may you.

    app = StreamMiddleware(app)

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from otel_stream import foreign, runtime
from otel_stream._guard import guarded
from otel_stream.call import entered
from otel_stream.served import ServedCall

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_SERVED = "otel_stream.served"  # in the scope: the request is watched already, by a tap further out


class StreamMiddleware:
    """ASGI middleware that tells who is asking and how calls end. Passes everything on as it is.

    For gateways that want it explicit; around an application that is instrumented anyway it does nothing.
    Without `StreamInstrumentor().instrument()` nothing is recorded.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await serve(self.app, scope, receive, send)


async def serve(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Run one connection of `app` with a server tap around it."""
    if scope["type"] == "lifespan":
        send = _flushing_send(send)
    served = _begin(scope) if scope["type"] == "http" else None
    if served is None:
        await app(scope, receive, send)
        return
    try:
        with entered(served.context):
            await app(scope, _watched_receive(served, receive), _watched_send(served, send))
    except BaseException as error:
        served.ended(error)
        raise
    served.ended()


def _flushing_send(send: Send) -> Send:
    """Have spans and metrics sent before the server says that it is through.

    uvicorn ends a process that was asked to with the signal itself, and then nothing runs at exit.
    """

    async def flushing(message: Message) -> None:
        ours = runtime.current()
        if ours is not None and str(message.get("type")).startswith("lifespan.shutdown."):
            ours.flush()
        await send(message)

    return flushing


@guarded("asgi.begin")
def _begin(scope: Scope) -> ServedCall | None:
    ours = runtime.current()
    if ours is None or foreign.suppressed():
        return None
    outer: ServedCall | None = scope.get(_SERVED)
    if outer is not None:
        outer.context.look_for_parent()
        return None
    served = ServedCall(ours, scope["method"], _url(scope), lower(scope["headers"]))
    scope[_SERVED] = served
    return served


def lower(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers as text with lower-case names; of several of one name the first counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed([*headers])}


def _url(scope: Scope) -> str:
    host, port = scope.get("server") or ("", None)
    netloc = f"{host}:{port}" if port else host
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{netloc}{scope['path']}{'?' if query else ''}{query}"


def _watched_receive(served: ServedCall, receive: Receive) -> Receive:
    async def watched() -> Message:
        message = await receive()
        kind = message.get("type")
        if kind == "http.request":
            if served.reading:
                served.received(message.get("body", b""))
        elif kind == "http.disconnect":
            served.lost()
        return message

    return watched


def _watched_send(served: ServedCall, send: Send) -> Send:
    """Return the `send` that tells `served` what goes out, and when nobody is there to get it.

    Once an upstream stream tells the answer, only its last part matters. Under a server whose `send` never
    raises the parts before it go there without a coroutine of ours: this runs once per token.
    """

    async def watched(message: Message) -> None:
        kind = message.get("type")
        if kind == "http.response.body":
            if served.watching:
                served.sending(message.get("body", b""))
            if not message.get("more_body"):
                served.complete()
        elif kind == "http.response.start":
            _responding(served, message)
        try:
            await send(message)
        except OSError:
            served.lost()
            raise

    def short(message: Message) -> Awaitable[None]:
        if served.watching or not message.get("more_body"):
            return watched(message)
        return send(message)

    return short if _is_uvicorns(send) else watched


def _is_uvicorns(send: Send) -> bool:
    """Whether `send` is uvicorn's own, which passes over what is sent to a caller who is gone."""
    cycle = type(getattr(send, "__self__", None))
    return cycle.__module__.startswith("uvicorn.protocols.http.")


@guarded("asgi.responding")
def _responding(served: ServedCall, message: Message) -> None:
    served.responding(message["status"], lower(message.get("headers", ())))
