"""The proxies: the host's own objects, errors and attributes, and every way a stream can be left."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

import pytest

from otel_stream.gateway import trace_stream
from otel_stream.gateway.proxy import AsyncProxy, BothProxy, SyncProxy, proxy_for

CALL = {"model": "gpt-5", "provider": "openai"}


class Stream:
    """What an SDK hands out: iterable in both ways, closable, a context manager, with attributes."""

    response = "the response"

    def __init__(self, items=("Hello", ", world"), error=None):
        self._items = iter(items)
        self._error = error
        self.calls = []

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._items)
        except StopIteration:
            if self._error is not None:
                raise self._error from None
            raise

    def close(self):
        self.calls.append("close")
        return "closed"

    def __enter__(self):
        self.calls.append("enter")
        return self

    def __exit__(self, *error):
        self.calls.append(("exit", error[0]))
        return error[0] is LookupError


class AsyncStream(Stream):
    __iter__ = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    async def close(self):
        self.calls.append("close")
        return "closed"

    async def aclose(self):
        self.calls.append("aclose")

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *error):
        return self.__exit__(*error)


def traced(stream, **options):
    return trace_stream(stream, **CALL, **options)


# -- what it looks like


def test_it_is_of_the_originals_class_and_has_its_attributes(watched):
    stream = traced(Stream())

    assert (isinstance(stream, Stream), stream.response, stream.calls) == (True, "the response", [])
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = stream.nothing
    stream.close()


@pytest.mark.parametrize(
    ("original", "kinds"),
    [
        (Stream(), {Iterable, Iterator}),
        (AsyncStream(), {AsyncIterable, AsyncIterator}),
    ],
)
def test_it_is_iterable_as_the_original_is_and_not_otherwise(watched, original, kinds):
    every = {Iterable, Iterator, AsyncIterable, AsyncIterator}
    stream = traced(original)

    assert {kind for kind in every if isinstance(stream, kind)} == kinds


def test_proxies_suit_what_they_wrap():
    class Both(Stream):
        __aiter__ = AsyncStream.__aiter__

    kinds = [proxy_for(stream) for stream in ([], Stream(), AsyncStream(), Both())]

    assert kinds == [SyncProxy, SyncProxy, AsyncProxy, BothProxy]


# -- items and errors


def test_items_are_the_very_same_objects(watched):
    items = ["a" * 50, "b" * 50]

    assert [id(item) for item in traced(items)] == [id(item) for item in items]


def test_errors_are_the_very_same_objects(watched):
    error = OSError("theirs")
    with pytest.raises(OSError, match="theirs") as caught:
        list(traced(Stream(error=error)))

    assert (caught.value is error, watched.outcomes) == (True, ["error"])


async def test_asynchronous_errors_are_the_very_same_objects(watched):
    error = TimeoutError("theirs")
    with pytest.raises(TimeoutError) as caught:
        async for _ in traced(AsyncStream(error=error)):
            pass

    assert (caught.value is error, watched.outcomes) == (True, ["timeout"])


# -- the ways to leave


def test_closing_early_cancels_and_closes_the_original(watched):
    original = Stream()
    stream = traced(original)
    next(stream)
    result = stream.close()

    assert (result, original.calls, watched.outcomes) == ("closed", ["close"], ["cancelled"])


def test_closing_after_the_end_changes_nothing(watched):
    stream = traced(Stream())
    list(stream)
    stream.close()

    assert watched.outcomes == ["completed"]


def test_what_cannot_be_closed_ends_all_the_same(watched):
    stream = traced(["Hello"])
    stream.close()

    assert watched.outcomes == ["cancelled"]


async def test_closing_asynchronously(watched):
    first, second, third = AsyncStream(), AsyncStream(), AsyncStream()
    await traced(first).aclose()
    result = await traced(second).close()
    async with contextlib.aclosing(traced(third)):
        pass

    assert (first.calls, second.calls, third.calls, result) == (["aclose"], ["close"], ["aclose"], "closed")
    assert watched.outcomes == ["cancelled"] * 3


async def test_an_asynchronous_iterable_that_cannot_be_closed_ends_all_the_same(watched):
    class Bare:
        def __aiter__(self):
            return AsyncStream()

    stream = traced(Bare())
    got = [item async for item in stream]
    await stream.aclose()

    assert (got, watched.outcomes) == (["Hello", ", world"], ["completed"])
    with pytest.raises(AttributeError):
        stream.close()


def test_a_with_block_is_the_originals(watched):
    original = Stream()
    with traced(original) as stream:
        next(stream)
        raise LookupError  # which the original's block suppresses

    assert (isinstance(stream, SyncProxy), original.calls) == (True, ["enter", ("exit", LookupError)])
    assert watched.outcomes == ["cancelled"]


async def test_an_asynchronous_with_block_is_the_originals(watched):
    original = AsyncStream()
    async with traced(original) as stream:
        await anext(stream)

    assert (original.calls, watched.outcomes) == (["enter", ("exit", None)], ["cancelled"])


def test_a_with_block_may_give_another_object(watched):
    """SDKs have stream managers, whose block gives the stream."""

    class Manager(Stream):
        def __enter__(self):
            return Stream(["inner"])

    with traced(Manager()) as stream:
        got = list(stream)

    assert (got, watched.text, watched.outcomes) == (["inner"], "inner", ["completed"])


async def test_plain_iterators_may_be_used_in_a_with_block(watched):
    async def upstream():
        yield "Hello"
        yield "more"

    with traced(iter(["Hello", "more"])) as stream:
        next(stream)
    async with traced(upstream()) as stream:
        await anext(stream)

    assert watched.outcomes == ["cancelled", "cancelled"]


# -- generators


def test_generators_may_be_sent_to_and_thrown_into(watched):
    def upstream():
        got = yield "Hello"
        try:
            yield got
        except ValueError as error:
            yield str(error)

    stream = traced(upstream())
    got = [next(stream), stream.send(", world"), stream.throw(ValueError("!"))]
    with pytest.raises(StopIteration):
        stream.send(None)

    assert (got, watched.text, watched.outcomes) == (
        ["Hello", ", world", "!"], "Hello, world!", ["completed"],
    )  # fmt: skip


async def test_asynchronous_generators_too(watched):
    async def upstream():
        got = yield "Hello"
        yield got

    stream = traced(upstream())
    got = [await anext(stream), await stream.asend(", world")]
    with pytest.raises(ZeroDivisionError):
        await stream.athrow(ZeroDivisionError())

    assert (got, watched.text, watched.outcomes) == (["Hello", ", world"], "Hello, world", ["error"])
