"""Whether a client library rides on another one that is being watched already.

The outer tap says so for as long as its request is under way; the inner one looks and stays out of it:
httpx over aiohttp, requests and botocore over urllib3.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType

from otel_stream.contextvar import assign, restore

_outermost: ContextVar[Riding | None] = ContextVar("otel_stream_riding", default=None)


class Riding:
    """A block during which HTTP requests of the running code belong to one that is watched already.

    A task made inside keeps the contextvar for ever, so what counts is whether the block still runs.
    """

    __slots__ = ("_runs", "_token")

    def __init__(self) -> None:
        self._runs = False
        self._token: Token[Riding | None] | None = None

    def __enter__(self) -> None:
        self._runs = True
        self._token = assign(_outermost, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runs = False
        if self._token is not None:
            restore(_outermost, self._token)

    @property
    def runs(self) -> bool:
        return self._runs


def is_riding() -> bool:
    """Return whether the running code is inside the request of a tap."""
    outer = _outermost.get()
    return outer is not None and outer.runs
