"""Transparent proxies around streams: the host gets the very same items and errors, a meter sees them too.

Proxies, not generators: `isinstance`, unknown attributes, `close`, `with` and garbage collection stay those
of the original. https://wrapt.readthedocs.io/en/latest/wrappers.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import wrapt

from otel_stream.gateway.meter import Meter

if TYPE_CHECKING:
    _Base = wrapt.ObjectProxy[Any]
else:
    # Since wrapt 2 the full proxy is iterable whatever it wraps; the base one is not.
    _Base = getattr(wrapt, "BaseObjectProxy", wrapt.ObjectProxy)


class _Proxy(_Base):
    def __init__(self, stream: Any, meter: Meter) -> None:
        super().__init__(stream)
        self._self_meter = meter

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__wrapped__, name)
        watch = _WATCHED_CALLS.get(name)
        return value if watch is None else partial(watch, self._self_meter, value)

    def _self_same(self, stream: Any) -> Any:
        """Return a proxy for what the original gave: itself for itself."""
        return self if stream is self.__wrapped__ else type(self)(stream, self._self_meter)


class SyncProxy(_Proxy):
    """Around an iterable."""

    def __iter__(self) -> Any:
        return self._self_same(iter(self.__wrapped__))

    def __next__(self) -> Any:
        return _step(self._self_meter, self.__wrapped__.__next__)

    def __enter__(self) -> Any:
        enter = getattr(self.__wrapped__, "__enter__", None)
        return self if enter is None else self._self_same(enter())

    def __exit__(self, *error: object) -> Any:
        self._self_meter.closed()
        leave = getattr(self.__wrapped__, "__exit__", None)
        return self.close() if leave is None else leave(*error)

    def close(self) -> Any:
        """Close the original if it can be closed; the stream is over in any case."""
        self._self_meter.closed()
        close = getattr(self.__wrapped__, "close", None)
        return None if close is None else close()


class AsyncProxy(_Proxy):
    """Around an asynchronous iterable."""

    def __aiter__(self) -> Any:
        return self._self_same(self.__wrapped__.__aiter__())

    def __anext__(self) -> Awaitable[Any]:
        return _async_step(self._self_meter, self.__wrapped__.__anext__)

    async def __aenter__(self) -> Any:
        enter = getattr(self.__wrapped__, "__aenter__", None)
        return self if enter is None else self._self_same(await enter())

    async def __aexit__(self, *error: object) -> Any:
        self._self_meter.closed()
        leave = getattr(self.__wrapped__, "__aexit__", None)
        return await (self.aclose() if leave is None else leave(*error))

    async def aclose(self) -> Any:
        """Close the original if it can be closed; the stream is over in any case."""
        self._self_meter.closed()
        close = getattr(self.__wrapped__, "aclose", None)
        return None if close is None else await close()


class BothProxy(SyncProxy, AsyncProxy):
    """Around what can be iterated in both ways, as the bodies of httpx."""


def proxy_for(stream: object) -> Callable[[Any, Meter], Any]:
    """Return the class of proxies that suits the stream. Raises: TypeError when it cannot be iterated."""
    if isinstance(stream, AsyncIterable):
        return BothProxy if isinstance(stream, Iterable) else AsyncProxy
    if isinstance(stream, Iterable):
        return SyncProxy
    raise TypeError(f"a stream must be an iterable or an asynchronous iterable; got {type(stream).__name__}")


def _step(meter: Meter, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        item = step(*args, **kwargs)
    except StopIteration:
        meter.finished()
        raise
    except BaseException as error:
        meter.failed(error)
        raise
    meter.feed(item)
    return item


async def _async_step(meter: Meter, step: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    try:
        item = await step(*args, **kwargs)
    except StopAsyncIteration:
        meter.finished()
        raise
    except BaseException as error:
        # A cancelled generator is through; other iterators may go on, as SDKs' streams do.
        meter.failed(error, final=isinstance(getattr(step, "__self__", None), AsyncGenerator))
        raise
    meter.feed(item)
    return item


def _close(meter: Meter, close: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    meter.closed()
    return close(*args, **kwargs)


_WATCHED_CALLS: dict[str, Callable[..., Any]] = {
    "send": _step, "throw": _step, "asend": _async_step, "athrow": _async_step,
    "close": _close, "aclose": _close,
}  # fmt: skip
"""Methods beside iteration that give items or end a stream, where the original has them."""
