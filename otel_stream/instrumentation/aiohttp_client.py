"""Client tap for aiohttp: `ClientSession._request`, and a transparent proxy around the answer's content.

`TraceConfig`, which the official instrumentation uses, does not see the body of a stream. Redirects
happen inside `_request`, and so does nothing of the decompression we would have to do.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import wrapt

from otel_stream._guard import guarded, guarded_step
from otel_stream.instrumentation._hooks import Hook
from otel_stream.instrumentation._tap import LateRequest, begin
from otel_stream.outcome import HTTP_ERROR, Ending, ending_of
from otel_stream.reaper import REAPER
from otel_stream.riding import Riding
from otel_stream.tap import Tap

if TYPE_CHECKING:
    _Base = wrapt.ObjectProxy[Any]
else:
    _Base = getattr(wrapt, "BaseObjectProxy", wrapt.ObjectProxy)


def wrap_request(original: Callable[..., Awaitable[Any]], _: ModuleType) -> Callable[..., Any]:
    """Return `ClientSession._request` with a tap on the exchange."""

    @functools.wraps(original)
    async def _request(self: Any, method: str, str_or_url: Any, **options: Any) -> Any:
        tap = _tap_for(self, method, str_or_url, options)
        if tap is None:
            return await original(self, method, str_or_url, **options)
        try:
            with Riding():
                response = await original(self, method, str_or_url, **options)
        except BaseException as error:
            _note_status(tap, error)
            tap.end(ending_of(error), error)
            raise
        _watch(tap, self, response, options)
        return response

    return _request


@guarded("aiohttp.request")
def _tap_for(session: Any, method: str, url: Any, options: MutableMapping[str, Any]) -> Tap | None:
    given = options.get("headers") or {}
    pairs = [*session.headers.items(), *(given.items() if isinstance(given, Mapping) else given)]
    headers = {str(name).lower(): str(value) for name, value in pairs}
    whole_url = str(session._build_url(url))  # noqa: SLF001 - as the original does
    request = LateRequest(method, whole_url, headers, lambda: _body(options.get("json"), options.get("data")))
    outgoing: dict[str, str] = {}
    tap = begin(request, outgoing)
    if outgoing:
        options["headers"] = sys.modules["multidict"].CIMultiDict(given)
        options["headers"].update(outgoing)
    return tap


def _body(as_json: Any, data: Any) -> bytes | None:
    """Return the body where it can be had without consuming anything."""
    if as_json is not None:
        try:
            return msgspec.json.encode(as_json)
        except (TypeError, ValueError, RecursionError):
            return None  # the session's own serializer knows types that we do not
    data = getattr(data, "_value", data)  # aiohttp's own payload objects
    if isinstance(data, str):
        return data.encode()
    return bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else None


@guarded("aiohttp.status")
def _note_status(tap: Tap, error: BaseException) -> None:
    """`raise_for_status` hides the answer in its error."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status >= HTTP_ERROR:
        tap.responded(status, _lower(getattr(error, "headers", None) or {}))


@guarded("aiohttp.response")
def _watch(tap: Tap, session: Any, response: Any, options: Mapping[str, Any]) -> None:
    """Watch the body from here on, or read it now where a middleware has read it whole."""
    headers = _lower(response.headers)
    decompresses = options.get("auto_decompress")
    if session.auto_decompress if decompresses is None else decompresses:
        headers.pop("content-encoding", None)  # what the host reads is decoded
    tap.responded(response.status, headers)
    if tap.ignored:
        return
    whole: bytes | None = response._body  # noqa: SLF001 - set only when it has been read
    if whole is not None:
        tap.feed(whole)
        tap.end("eof")
    else:
        response.content = WatchedContent(response.content, tap)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {str(name).lower(): value for name, value in headers.items()}


class WatchedContent(_Base):
    """A `StreamReader` whose reads are watched. For `isinstance` and everything else it is the original."""

    def __init__(self, content: Any, tap: Tap) -> None:
        super().__init__(content)
        self._self_tap = tap
        self._self_open = True
        self._self_ending: Ending = "abandoned"

    # -- reading

    async def read(self, n: int = -1) -> bytes:
        return await self._self_read(self.__wrapped__.read(n))

    async def readany(self) -> bytes:
        return await self._self_read(self.__wrapped__.readany())

    async def readline(self, **options: Any) -> bytes:
        return await self._self_read(self.__wrapped__.readline(**options))

    async def readuntil(self, separator: bytes = b"\n", **options: Any) -> bytes:
        return await self._self_read(self.__wrapped__.readuntil(separator, **options))

    async def readexactly(self, n: int) -> bytes:
        return await self._self_read(self.__wrapped__.readexactly(n))

    async def readchunk(self) -> tuple[bytes, bool]:
        try:
            chunk: tuple[bytes, bool] = await self.__wrapped__.readchunk()
        except BaseException as error:
            self._self_failed(error)
            raise
        self._self_got(chunk[0])
        return chunk

    def read_nowait(self, n: int = -1) -> bytes:
        data: bytes = self.__wrapped__.read_nowait(n)
        self._self_got(data)
        return data

    # -- iterating: the library's own iterators, over the watched reads

    def __aiter__(self) -> Any:
        return type(self.__wrapped__.__aiter__())(self.readline)

    def iter_chunked(self, n: int) -> Any:
        return type(self.__wrapped__.iter_chunked(n))(functools.partial(self.read, n))

    def iter_any(self) -> Any:
        return type(self.__wrapped__.iter_any())(self.readany)

    def iter_chunks(self) -> Any:
        return type(self.__wrapped__.iter_chunks())(self)

    # -- the end

    def set_exception(self, *error: Any) -> None:
        """The response was closed or released: that is how it tells its content."""
        self._self_end("closed")
        self.__wrapped__.set_exception(*error)

    def __del__(self) -> None:
        if self._self_open:
            REAPER.drop(self._self_tap, self._self_ending)

    # -- watching

    async def _self_read(self, reading: Awaitable[bytes]) -> bytes:
        try:
            data = await reading
        except BaseException as error:
            self._self_failed(error)
            raise
        self._self_got(data)
        return data

    @guarded_step("aiohttp.content")
    def _self_got(self, data: bytes) -> None:
        if self._self_open:
            self._self_ending = "abandoned"
            self._self_tap.feed(data)
            if self.__wrapped__.at_eof():
                self._self_end("eof")

    def _self_failed(self, error: BaseException) -> None:
        """A cancelled read may be tried again, as under `asyncio.wait_for`; every other error is final."""
        if isinstance(error, asyncio.CancelledError):
            self._self_ending = "cancelled"
        else:
            self._self_end(ending_of(error), error)

    def _self_end(self, ending: Ending, error: BaseException | None = None) -> None:
        self._self_open = False
        REAPER.end(self._self_tap, ending, error)


HOOKS = (Hook("aiohttp_client", "aiohttp", "ClientSession._request", wrap_request, "3.12"),)
