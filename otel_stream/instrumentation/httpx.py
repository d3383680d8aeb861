"""Client tap for httpx and its forks httpx2 and httpxyz, which share their inside.

`Client._send_single_request` sees every hop of every request, whatever the transport; the official
instrumentation's hook in the transports misses LiteLLM's own. The body is watched where the response
reads it: `response.stream` is replaced by one of the right module's class (it is checked) that passes
on the same chunks and errors.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any

from otel_stream._guard import guarded
from otel_stream.instrumentation._hooks import Hook
from otel_stream.instrumentation._tap import Held, begin
from otel_stream.meaning import Request
from otel_stream.outcome import Ending, ending_of
from otel_stream.reaper import REAPER
from otel_stream.riding import Riding
from otel_stream.tap import Tap

_HELD = "otel_stream.tap"  # in a request's extensions: the tap of the hop that redirected here


def wrap_send(original: Callable[..., Any], module: ModuleType) -> Callable[..., Any]:
    """Return `Client._send_single_request` with a tap on the exchange."""
    stream_class = sync_stream(module)

    @functools.wraps(original)
    def _send_single_request(self: Any, request: Any) -> Any:
        tap = _tap_for(request)
        if tap is None:
            return original(self, request)
        try:
            with Riding():
                response = original(self, request)
        except BaseException as error:
            tap.end(ending_of(error), error)
            raise
        _watch(tap, request, response, stream_class)
        return response

    return _send_single_request


def wrap_send_async(original: Callable[..., Awaitable[Any]], module: ModuleType) -> Callable[..., Any]:
    """Return `AsyncClient._send_single_request` with a tap on the exchange."""
    stream_class = async_stream(module)

    @functools.wraps(original)
    async def _send_single_request(self: Any, request: Any) -> Any:
        tap = _tap_for(request)
        if tap is None:
            return await original(self, request)
        try:
            with Riding():
                response = await original(self, request)
        except BaseException as error:
            tap.end(ending_of(error), error)
            raise
        _watch(tap, request, response, stream_class)
        return response

    return _send_single_request


@guarded("httpx.request")
def _tap_for(request: Any) -> Tap | None:
    held: Held | None = request.extensions.pop(_HELD, None)
    if held is not None and (tap := held.take()) is not None:
        return tap
    body = getattr(request, "_content", None)  # only what is there; reading would consume a stream
    return begin(Request(request.method, str(request.url), request.headers, body), request.headers)


@guarded("httpx.response")
def _watch(tap: Tap, request: Any, response: Any, stream_class: Callable[[Any, Any], Any]) -> None:
    """Watch the body from here on, or read it now where the transport brought it along whole."""
    if tap.recorder is not None and response.has_redirect_location:
        request.extensions[_HELD] = Held(tap)
        return
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw
    }
    content = getattr(response, "_content", None)
    if content is not None:
        headers.pop("content-encoding", None)  # what stands there is decoded
    tap.responded(response.status_code, headers)
    if content is not None:
        tap.feed(content)
        tap.end("eof")
    elif not tap.ignored:
        response.stream = stream_class(response.stream, tap)


class _Watched:
    """What the sync and the async stream share: the tap, its end, and the attributes of the original.

    A response and its stream refer to each other, so they are for the garbage collector to find. The tap is
    let go of at its end: all that it holds is freed at once.
    """

    def __init__(self, stream: Any, tap: Tap) -> None:
        self._stream = stream
        self._tap: Tap | None = tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __del__(self) -> None:
        if self._tap is not None:
            REAPER.drop(self._tap)

    def _end(self, ending: Ending, error: BaseException | None = None) -> None:
        tap, self._tap = self._tap, None
        if tap is not None:
            REAPER.end(tap, ending, error)


class _Nobody:
    """In the tap's place once it was let go of: what is read after the stream was closed is for its host."""

    def feed(self, chunk: bytes) -> None:
        """Nobody looks at it."""


_NOBODY = _Nobody()


@functools.cache
def sync_stream(module: ModuleType) -> type:
    """Return the class of watched streams that `module`'s sync client takes for its own."""

    class WatchedStream(_Watched, module.SyncByteStream):  # type: ignore[misc,name-defined]  # any fork's
        def __iter__(self) -> Iterator[bytes]:
            tap = self._tap or _NOBODY
            try:
                for chunk in self._stream:
                    tap.feed(chunk)
                    yield chunk
            except BaseException as error:
                self._end(ending_of(error), error)
                raise
            self._end("eof")

        def close(self) -> None:
            self._end("closed")
            self._stream.close()

    return WatchedStream


@functools.cache
def async_stream(module: ModuleType) -> type:
    """Return the class of watched streams that `module`'s async client takes for its own."""

    class WatchedAsyncStream(_Watched, module.AsyncByteStream):  # type: ignore[misc,name-defined]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            tap = self._tap or _NOBODY
            stream = self._stream.__aiter__()
            try:
                async for chunk in stream:
                    tap.feed(chunk)
                    yield chunk
            except BaseException as error:
                self._end(ending_of(error), error)
                raise
            finally:
                if isinstance(stream, AsyncGenerator):
                    await stream.aclose()
            self._end("eof")

        async def aclose(self) -> None:
            self._end("closed")
            await self._stream.aclose()

    return WatchedAsyncStream


HOOKS = tuple(
    Hook("httpx", module, path, wrap, oldest)
    for module, oldest in (("httpx", "0.28"), ("httpx2", "2.12"), ("httpxyz", "0.42"))
    for path, wrap in (
        ("Client._send_single_request", wrap_send),
        ("AsyncClient._send_single_request", wrap_send_async),
    )
)
