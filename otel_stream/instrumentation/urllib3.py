"""Client tap for urllib3, and so for requests, boto3 and google-auth, which ride on it.

`HTTPConnectionPool.urlopen` sees every request, urllib3's own retries as one. The answer is watched below
its content decoding, where the bytes are read: callers decode or not as they like, read by read.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

from otel_stream._guard import guarded
from otel_stream.contextvar import assign
from otel_stream.instrumentation._hooks import Hook
from otel_stream.instrumentation._tap import Held, begin
from otel_stream.meaning import Request
from otel_stream.outcome import Ending, ending_of
from otel_stream.reaper import REAPER
from otel_stream.riding import Riding
from otel_stream.tap import Tap

_Response: Any = object

_redirect: ContextVar[tuple[str, weakref.ref[Held]] | None] = ContextVar("otel_stream_redirect", default=None)
"""Where the last answer of this context redirected to; whoever follows does so while he holds that answer."""


def wrap_urlopen(original: Callable[..., Any], module: ModuleType) -> Callable[..., Any]:
    """Return `HTTPConnectionPool.urlopen` with a tap on the exchange."""
    _ = module.HTTPResponse._raw_read, module.HTTPResponse._handle_chunk  # noqa: SLF001 - since urllib3 2

    @functools.wraps(original)
    def urlopen(
        self: Any, method: str, url: str, body: Any = None, headers: Any = None, *rest: Any, **options: Any
    ) -> Any:
        tap, more = _tap_for(self, method, url, body, headers) or (None, None)
        if tap is None:
            return original(self, method, url, body, headers, *rest, **options)
        try:
            with Riding():
                response = original(self, method, url, body, more or headers, *rest, **options)
        except BaseException as error:
            tap.end(_ending(error), error)
            raise
        _watch(tap, _whole_url(self, url), response)
        return response

    return urlopen


@guarded("urllib3.request")
def _tap_for(pool: Any, method: str, url: str, body: Any, headers: Any) -> tuple[Tap | None, Any]:
    """Return the tap, and the headers to send when something was added to them."""
    url = _whole_url(pool, url)
    held = _followed(url)
    if held is not None:
        return held, None
    given: Mapping[str, str] = pool.headers if headers is None else headers
    request = Request(method, url, _lower(given), _bytes(body))
    outgoing: dict[str, str] = {}
    tap = begin(request, outgoing)
    if not outgoing:
        return tap, None
    added = given.copy()  # type: ignore[attr-defined] # as the original does
    added.update(outgoing)
    return tap, added


def _whole_url(pool: Any, url: str) -> str:
    if not url.startswith("/"):
        return url
    port = "" if pool.port is None else f":{pool.port}"
    return f"{pool.scheme}://{pool.host}{port}{url}"


def _bytes(body: Any) -> bytes | None:
    """Return the body where it can be had without consuming anything."""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else None


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    return {_text(name).lower(): _text(value) for name, value in headers.items()}


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _ending(error: BaseException) -> Ending:
    """Return how it ended; retries wrap what went wrong the last time."""
    reason = getattr(error, "reason", None)
    last = reason if isinstance(reason, BaseException) else error
    # A refused connection is a subclass of a connect timeout, to be so no longer in urllib3 3.
    refused = any(kind.__name__ == "NewConnectionError" for kind in type(last).__mro__)
    return "failed" if refused else ending_of(last)


def _followed(url: str) -> Tap | None:
    """Return the tap of the answer that redirected here, if its reader still holds it."""
    target, held = _redirect.get() or ("", None)
    if held is None or target != url:
        return None
    assign(_redirect, None)
    answer = held()
    return None if answer is None else answer.take()


@guarded("urllib3.response")
def _watch(tap: Tap, url: str, response: Any) -> None:
    """Watch the body from here on, or read it now where it was asked for whole."""
    location = response.get_redirect_location()
    if location and tap.recorder is not None:
        response._otel_stream_held = held = Held(tap)  # noqa: SLF001 - ours
        assign(_redirect, (urljoin(url, location), weakref.ref(held)))
        return
    headers = _lower(response.headers)
    whole = response._body  # noqa: SLF001 - set only when it has been read
    if whole is not None and response.decode_content:
        headers.pop("content-encoding", None)
    tap.responded(response.status, headers)
    if tap.ignored:
        return
    if whole is not None:
        tap.feed(whole)
        tap.end("eof")
    else:
        response._otel_stream_tap = tap  # noqa: SLF001 - ours
        response.__class__ = _watched_class(response.__class__)


class _Watched(_Response):  # type: ignore[misc]  # at run time a plain base, put before the response's class
    """The reads of a response, watched. The class of the one response is changed to have it as first base:
    methods put onto the instance would make it a cycle that outlives its last reader.
    """

    _otel_stream_tap: Tap
    _otel_stream_open = True
    _otel_stream_reads = False

    def _raw_read(self, *args: Any, **options: Any) -> Any:
        try:
            data = super()._raw_read(*args, **options)
        except BaseException as error:
            self._otel_stream_end(_ending(error), error)
            raise
        if data:
            self._otel_stream_tap.feed(data)
        if self.isclosed():
            self._otel_stream_end("eof")
        return data

    def _handle_chunk(self, amt: int | None) -> Any:
        data = super()._handle_chunk(amt)
        self._otel_stream_tap.feed(data)
        return data

    def _update_chunk_length(self) -> None:
        self._otel_stream_reads = True
        try:
            super()._update_chunk_length()  # which closes before it raises
        finally:
            self._otel_stream_reads = False

    def read_chunked(self, *args: Any, **options: Any) -> Iterator[bytes]:
        try:
            yield from super().read_chunked(*args, **options)
        except BaseException as error:
            self._otel_stream_end(_ending(error), error)
            raise
        self._otel_stream_end("eof")

    def close(self) -> None:
        if not self._otel_stream_reads:
            self._otel_stream_end("closed")
        super().close()

    def __del__(self) -> None:
        if self._otel_stream_open:
            self._otel_stream_open = False
            REAPER.drop(self._otel_stream_tap)
        super().__del__()  # which closes

    def _otel_stream_end(self, ending: Ending, error: BaseException | None = None) -> None:
        if self._otel_stream_open:
            self._otel_stream_open = False
            REAPER.end(self._otel_stream_tap, ending, error)


@functools.cache
def _watched_class(kind: Any) -> Any:
    """Return a class of watched responses that passes for `kind`."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (_Watched, kind), names)


HOOKS = (Hook("urllib3", "urllib3", "HTTPConnectionPool.urlopen", wrap_urlopen, "2"),)
