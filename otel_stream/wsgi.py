"""A server tap for any WSGI application: the Flask and Django hooks use it, and so may you.

    app.wsgi_app = StreamWSGIMiddleware(app.wsgi_app)

The answer's iterator runs after the application has returned, in the server's own context, so the call is
made current anew for each step of it.
https://peps.python.org/pep-3333/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import wrapt

from otel_stream import foreign, runtime
from otel_stream._guard import guarded
from otel_stream.call import entered
from otel_stream.outcome import Ending
from otel_stream.reaper import REAPER
from otel_stream.served import ServedCall

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], object]]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

if TYPE_CHECKING:
    _Base = wrapt.ObjectProxy[Any]
else:
    _Base = getattr(wrapt, "BaseObjectProxy", wrapt.ObjectProxy)

_SERVED = "otel_stream.served"  # in the environ: the request is watched already, by a tap further out


class StreamWSGIMiddleware:
    """WSGI middleware that tells who is asking and how calls end. Passes everything on as it is.

    For gateways that want it explicit; around an application that is instrumented anyway it does nothing.
    Without `StreamInstrumentor().instrument()` nothing is recorded.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return serve(self.app, environ, start_response)


def serve(app: App, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Run one request of `app` with a server tap around it."""
    served = _begin(environ)
    if served is None:
        return app(environ, start_response)
    try:
        with entered(served.context):
            body = app(environ, _watched_start(served, start_response))
    except BaseException as error:
        served.ended(error)
        raise
    return _watched_body(served, body)


@guarded("wsgi.begin")
def _begin(environ: Environ) -> ServedCall | None:
    ours = runtime.current()
    if ours is None or foreign.suppressed():
        return None
    outer: ServedCall | None = environ.get(_SERVED)
    if outer is not None:
        outer.context.look_for_parent()
        return None
    REAPER.ready()
    served = ServedCall(ours, environ["REQUEST_METHOD"], _url(environ), _headers(environ))
    environ[_SERVED] = served
    if served.reading:
        environ["wsgi.input"] = _WatchedInput(environ["wsgi.input"], served)
    return served


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return headers


def _url(environ: Environ) -> str:
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return f"{environ.get('wsgi.url_scheme', 'http')}://{host}{path}{'?' if query else ''}{query}"


def _watched_start(served: ServedCall, start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
        _responding(served, status, headers)
        write = start_response(status, headers, *error)

        def watched_write(data: bytes) -> object:
            if served.watching:
                served.sending(data)
            return write(data)

        return watched_write

    return start


@guarded("wsgi.responding")
def _responding(served: ServedCall, status: str, headers: list[tuple[str, str]]) -> None:
    served.responding(int(status[:3]), {name.lower(): value for name, value in reversed(headers)})


def _watched_body(served: ServedCall, body: Iterable[bytes]) -> Iterable[bytes]:
    """Return the body with its steps watched; a list is there already and stays the list it is."""
    if not isinstance(body, (list, tuple)):
        return _WatchedBody(body, served)
    for chunk in body:
        if served.watching:
            served.sending(chunk)
    served.complete()
    served.ended()
    return body


class _WatchedInput(_Base):
    """The request's body, noted as the application reads it."""

    def __init__(self, stream: Any, served: ServedCall) -> None:
        super().__init__(stream)
        self._self_served = served

    def read(self, *size: Any) -> bytes:
        return self._self_got(self.__wrapped__.read(*size))

    def readline(self, *size: Any) -> bytes:
        return self._self_got(self.__wrapped__.readline(*size))

    def readlines(self, *hint: Any) -> list[bytes]:
        return [self._self_got(line) for line in self.__wrapped__.readlines(*hint)]

    def readinto(self, buffer: Any) -> int:
        size: int = self.__wrapped__.readinto(buffer)
        self._self_got(bytes(memoryview(buffer)[: size or 0]))
        return size

    def __iter__(self) -> Iterator[bytes]:
        return map(self._self_got, self.__wrapped__)

    def _self_got(self, data: bytes) -> bytes:
        if self._self_served.reading:
            self._self_served.received(data)
        return data


class _WatchedBody(_Base):
    """The answer's body. When it is closed before its end the caller is gone: servers do so on that."""

    def __init__(self, body: Any, served: ServedCall) -> None:
        super().__init__(body)
        self._self_served = served
        self._self_steps: Iterator[bytes] | None = None
        self._self_open = True

    def __iter__(self) -> Iterator[bytes]:
        with entered(self._self_served.context):
            self._self_steps = iter(self.__wrapped__)
        return self

    def __next__(self) -> bytes:
        served = self._self_served
        steps = self.__wrapped__ if self._self_steps is None else self._self_steps
        try:
            with entered(served.context):
                chunk: bytes = next(steps)
        except StopIteration:
            served.complete()
            raise
        except BaseException as error:
            self._self_open = False
            served.ended(error)
            raise
        if served.watching:
            served.sending(chunk)
        return chunk

    def close(self) -> None:
        served = self._self_served
        served.lost()
        try:
            close = getattr(self.__wrapped__, "close", None)
            if close is not None:
                with entered(served.context):
                    close()
        finally:
            self._self_open = False
            served.ended()

    def __del__(self) -> None:
        if self._self_open:
            REAPER.drop(_Dropped(self._self_served))


class _Dropped:
    """For the reaper: a body that its server has not closed."""

    def __init__(self, served: ServedCall) -> None:
        self._served = served

    def end(self, _: Ending, error: BaseException | None = None) -> None:
        self._served.lost()
        self._served.ended(error)
