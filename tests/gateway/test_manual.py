"""`trace_stream`: streams that no tap sees, recorded on their way through."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import types

import pytest
from provider import CHAT, COMPLETION, TEXT, USAGE, chat_chunk, sse

from otel_stream.gateway import gateway_call, trace_stream
from otel_stream.meaning import Usage

CALL = {"model": "gpt-5", "provider": "openai"}
OBJECTS = [
    chat_chunk({"content": "Hello"}), chat_chunk({"content": ", world"}), chat_chunk({}, "stop"),
    chat_chunk(usage=USAGE),
]  # fmt: skip


class Model:
    """Stands for a pydantic model."""

    def __init__(self, data):
        self._data = data

    def model_dump_json(self):
        return sse(self._data)[0].removeprefix(b"data: ").decode()


@dataclasses.dataclass
class Chunk:
    choices: list
    usage: object = None


def test_text_is_told_as_it_passes_and_completes_at_the_end(watched):
    got = list(trace_stream(iter(["Hello", ", world"]), **CALL))
    (started,), (completed,) = watched.started, watched.ended

    assert (got, watched.text, completed.outcome) == (["Hello", ", world"], TEXT, "completed")
    assert (started.model, started.provider, started.operation, started.source) == (
        "gpt-5", "openai", "chat", "manual",
    )  # fmt: skip


async def test_asynchronous_text_too(watched):
    async def upstream():
        yield "Hello"
        yield ", world"

    got = [item async for item in trace_stream(upstream(), **CALL)]

    assert (got, watched.text, watched.outcomes) == (["Hello", ", world"], TEXT, ["completed"])


def test_extract_tells_what_objects_mean(watched):
    def extract(item):
        return item.get("text"), item.get("usage"), None

    items = [{"text": "Hello"}, {"text": ", world", "usage": Usage(7, 5)}, {}]
    got = list(trace_stream(items, extract=extract, **CALL))
    (completed,) = watched.ended

    assert [id(item) for item in got] == [id(item) for item in items]
    assert (watched.text, completed.input_tokens, completed.output_tokens) == (TEXT, 7, 5)


@pytest.mark.parametrize("items", [[1, None, object()], [b"bytes", ["list"]]])
def test_items_that_are_no_text_pass_without_a_word(watched, items):
    got = list(trace_stream(items, **CALL))

    assert (got, watched.text, watched.outcomes) == (items, "", ["completed"])


@pytest.mark.parametrize(
    "items",
    [
        CHAT,
        [bytearray(chunk) for chunk in CHAT],
        [chunk.decode() for chunk in CHAT],
        OBJECTS,
        [Model(item) for item in OBJECTS],
        [Chunk(item["choices"], item.get("usage")) for item in OBJECTS],
    ],
    ids=["bytes", "bytearrays", "text", "dicts", "pydantic", "dataclasses"],
)
def test_items_in_an_apis_format_are_read_in_every_shape(watched, items):
    for _ in trace_stream(items, format="openai_chat", **CALL):
        pass
    (completed,) = watched.ended

    assert (watched.text, completed.outcome, completed.output_tokens) == (TEXT, "completed", 5)


def test_a_plain_answer_in_pieces_is_read_at_its_end(watched):
    for _ in trace_stream([COMPLETION[:40], COMPLETION[40:]], format="openai_chat", **CALL):
        pass
    (completed,) = watched.ended

    assert (completed.outcome, completed.output_tokens) == ("completed", 5)


def test_with_a_format_the_end_of_the_iterator_completes_nothing(watched):
    for _ in trace_stream(CHAT[:3], format="openai_chat", **CALL):
        pass

    assert watched.outcomes == ["incomplete"]


def test_what_is_known_of_the_call_is_on_span_and_events(watched):
    with gateway_call(agent_type="coder"):
        traced = trace_stream(
            ["Hi"], request_id="req-1", server_address="vllm", attributes={"my.key": 1}, **CALL
        )
        list(traced)
    (started,), (span,) = watched.started, watched.spans

    assert (started.request_id, started.server_address, started.agent_type) == ("req-1", "vllm", "coder")
    assert span.attributes["my.key"] == 1


@pytest.mark.usefixtures("swallow")
def test_a_bug_in_extract_costs_the_host_nothing(watched):
    def extract(item):
        raise LookupError("theirs, but called by us")

    assert list(trace_stream(["Hello"], extract=extract, **CALL)) == ["Hello"]
    assert watched.outcomes == ["completed"]


@pytest.mark.usefixtures("swallow")
def test_a_runtime_that_cannot_open_a_stream_leaves_it_alone(watched, monkeypatch):
    monkeypatch.setattr(type(watched.runtime), "open_stream", lambda *_, **__: 1 / 0)
    stream = iter(["Hello"])

    assert trace_stream(stream, **CALL) is stream


def test_without_instrumentation_it_returns_the_stream_itself():
    stream = iter(["Hello"])

    assert trace_stream(stream, **CALL) is stream


@pytest.mark.parametrize(
    ("stream", "options", "error", "words"),
    [
        ([], {"format": "smoke"}, ValueError, "one of 'openai_chat'.*got 'smoke'"),
        ([], {"format": "openai_chat", "extract": str}, ValueError, "not both"),
        (42, {}, TypeError, "must be an iterable.*got int"),
    ],
)
def test_misuse_is_told_and_opens_no_stream(watched, stream, options, error, words):
    with pytest.raises(error, match=words):
        trace_stream(stream, **options, **CALL)

    assert watched.events == []


def test_a_dropped_stream_is_abandoned(watched):
    stream = trace_stream(iter(["Hello", "more"]), **CALL)
    next(stream)
    del stream
    watched.settle()

    assert watched.outcomes == ["abandoned"]


def test_a_stream_is_not_abandoned_while_any_part_of_it_is_held(watched):
    stream = trace_stream(["Hello", "more"], **CALL)
    for _ in stream:
        break
    watched.settle()
    while_held = watched.outcomes
    stream.close()

    assert (while_held, watched.outcomes) == ([None], ["cancelled"])


async def test_a_cancelled_read_is_cancelled(watched):
    started = asyncio.Event()

    async def upstream():
        yield "Hello"
        started.set()
        await asyncio.Event().wait()

    async def read():
        async for _ in trace_stream(upstream(), **CALL):
            pass

    task = asyncio.ensure_future(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert watched.outcomes == ["cancelled"]


class Slow:
    """An iterator that outlives a cancelled read, as those of SDKs do."""

    def __init__(self):
        self.ready = asyncio.Event()
        self._items = ["Hello"]

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.ready.wait()
        if not self._items:
            raise StopAsyncIteration
        return self._items.pop()


async def test_a_read_given_up_for_a_moment_ends_nothing(watched):
    slow = Slow()
    stream = trace_stream(slow, **CALL)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anext(stream), 0.01)
    slow.ready.set()
    got = [item async for item in stream]

    assert (got, watched.outcomes) == (["Hello"], ["completed"])


async def test_a_stream_dropped_after_a_cancelled_read_was_cancelled(watched):
    async def give_up(stream):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)

    # In a task of its own: from Python 3.12 on, the frames of what timed out live as long as the task.
    await asyncio.gather(give_up(trace_stream(Slow(), **CALL)))
    watched.settle()

    assert watched.outcomes == ["cancelled"]


def test_a_proxied_generator_is_still_one(watched):
    def upstream():
        yield "Hello"

    stream = trace_stream(upstream(), **CALL)

    assert isinstance(stream, types.GeneratorType)
    assert stream.gi_running is False
    stream.close()
