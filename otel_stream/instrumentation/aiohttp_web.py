"""Server tap for aiohttp.web: `RequestHandler._handle_request` runs each request in a task of its own.

The answer is watched where all kinds of responses write it, in the request's payload writer.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

from otel_stream import foreign, runtime
from otel_stream._guard import guarded
from otel_stream.call import entered
from otel_stream.instrumentation._hooks import Hook
from otel_stream.reaper import REAPER
from otel_stream.served import ServedCall

if TYPE_CHECKING:
    _Base = wrapt.ObjectProxy[Any]
else:
    _Base = getattr(wrapt, "BaseObjectProxy", wrapt.ObjectProxy)


def wrap_handle_request(original: Callable[..., Awaitable[Any]], _: ModuleType) -> Callable[..., Any]:
    """Return `RequestHandler._handle_request` with a server tap around it."""

    @functools.wraps(original)
    async def _handle_request(self: Any, request: Any, started: Any, handler: Callable[..., Any]) -> Any:
        served = _begin(request)
        if served is None:
            return await original(self, request, started, handler)
        watched = _WatchedHandler(handler)
        try:
            with entered(served.context):
                result = await original(self, request, started, watched)
        except BaseException as error:
            served.ended(watched.error or error)
            raise
        served.ended()
        return result

    return _handle_request


@guarded("aiohttp_web.begin")
def _begin(request: Any) -> ServedCall | None:
    ours = runtime.current()
    if ours is None or foreign.suppressed():
        return None
    REAPER.ready()
    served = ServedCall(
        ours,
        request.method,
        str(request.url),
        _lower(request.headers),
        body=lambda: request._read_bytes,  # noqa: SLF001 - kept there once the handler has read it
    )
    request._payload_writer = _WatchedWriter(request._payload_writer, served)  # noqa: SLF001
    return served


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in reversed([*headers.items()])}


class _WatchedHandler:
    """The application's handler; keeps its error, since aiohttp raises another one in its place."""

    def __init__(self, handler: Callable[[Any], Awaitable[Any]]) -> None:
        self._handler = handler
        self.error: BaseException | None = None

    async def __call__(self, request: Any) -> Any:
        try:
            return await self._handler(request)
        except BaseException as error:
            self.error = error
            raise


class _WatchedWriter(_Base):
    """A `StreamWriter` that tells what is written. A write that fails means that the caller is gone."""

    def __init__(self, writer: Any, served: ServedCall) -> None:
        super().__init__(writer)
        self._self_served = served
        self._self_compresses = False

    def enable_compression(self, *args: Any, **options: Any) -> None:
        self._self_compresses = True  # below us: what we see is not yet compressed
        self.__wrapped__.enable_compression(*args, **options)

    async def write_headers(self, status_line: str, headers: Any) -> None:
        self._self_responding(status_line, headers)
        await self.__wrapped__.write_headers(status_line, headers)

    async def write(self, chunk: bytes, *args: Any, **options: Any) -> None:
        if self._self_served.watching:
            self._self_served.sending(chunk)
        await self._self_told(self.__wrapped__.write(chunk, *args, **options))

    async def write_eof(self, chunk: bytes = b"") -> None:
        if self._self_served.watching:
            self._self_served.sending(chunk)
        await self._self_told(self.__wrapped__.write_eof(chunk))
        self._self_served.complete()

    async def _self_told(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except OSError:
            self._self_served.lost()
            raise

    @guarded("aiohttp_web.responding")
    def _self_responding(self, status_line: str, headers: Mapping[str, str]) -> None:
        lower = _lower(headers)
        if self._self_compresses:
            lower.pop("content-encoding", None)
        self._self_served.responding(int(status_line.split(" ", 2)[1]), lower)


HOOKS = (
    Hook(
        "aiohttp_web", "aiohttp.web_protocol", "RequestHandler._handle_request", wrap_handle_request, "3.12"
    ),
)
