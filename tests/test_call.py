"""The call context: who it says is asking, what it knows of its streams, and when it stops being current."""

from __future__ import annotations

import asyncio
import gc

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider

from otel_stream import call
from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.call import CallContext
from otel_stream.identity import Who
from otel_stream.meaning import CallFacts
from otel_stream.recorder import Recorder

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def stream(source="upstream", *, streaming=True):
    facts = CallFacts("openai", "chat", "gpt-5", "openai_chat", streaming)
    return Recorder(facts, broadcaster=StreamEventBroadcaster(), source=source)


@pytest.fixture
def attached():
    """Attach contexts that are detached after the test."""
    tokens = []
    yield lambda context: tokens.append(attach(context))
    for token in reversed(tokens):
        detach(token)


# -- who asks


def test_headers_body_and_baggage_say_who_asks():
    headers = {"x-agent-type": "coder", "x-request-id": "req-1", "baggage": "tenant.id=acme"}
    asking = CallContext(headers, metadata=lambda: {"agent_type": "ignored"})

    assert asking.who == Who("coder", "acme", None, "req-1", False)


def test_metadata_is_asked_when_the_first_stream_opens_and_only_then():
    asked = []

    def metadata():
        asked.append(True)
        return {"agent_type": "planner"}

    asking = CallContext(metadata=metadata)
    before = list(asked)

    assert (before, asking.who.agent_type, asking.who.agent_type, asked) == ([], "planner", "planner", [True])


def test_a_call_without_an_id_gets_one_of_ours():
    first, second = CallContext(), CallContext()

    assert first.call_id == first.who.call_id
    assert first.call_id.startswith("call_")
    assert first.call_id != second.call_id


def test_baggage_of_the_current_context_counts_where_the_headers_bring_none(attached):
    tracer = TracerProvider().get_tracer("host")
    attached(trace.set_span_in_context(tracer.start_span("server"), baggage.set_baggage("agent.type", "bag")))

    assert CallContext({"user-agent": "curl/8"}).who.agent_type == "bag"


def test_a_refinement_takes_from_the_outer_call_what_it_does_not_give():
    outer = CallContext({"x-agent-type": "coder", "x-tenant-id": "acme", "x-request-id": "req-1"})
    inner = CallContext(given=Who(agent_type="planner", session_id="s-1"), outer=outer)

    assert inner.who == Who("planner", "acme", "s-1", "req-1", False)


def test_a_refinements_own_headers_win_over_the_outer_call():
    outer = CallContext({"x-agent-type": "coder", "x-tenant-id": "acme"}, given=Who(call_id="outer"))
    inner = CallContext({"x-tenant-id": "beta", "x-request-id": "inner"}, outer=outer)

    assert inner.who == Who("coder", "beta", None, "inner", False)


def test_privacy_is_inherited_and_never_lost():
    outer = CallContext({"x-otel-stream-private": "1"})
    inner = CallContext(given=Who(agent_type="planner"), outer=outer)

    assert (outer.who.private, inner.who.private) == (True, True)


def test_an_unidentified_call_says_only_what_is_given():
    assert CallContext(given=Who(private=True), identified=False).who == Who(private=True)


# -- where it belongs


def test_spans_belong_under_the_span_current_when_the_call_began(attached):
    span = TracerProvider().get_tracer("host").start_span("server")
    attached(trace.set_span_in_context(span))
    asking = CallContext({"traceparent": TRACEPARENT})

    assert trace.get_current_span(asking.parent) is span


def test_without_a_span_they_belong_under_the_callers():
    span_context = trace.get_current_span(CallContext({"traceparent": TRACEPARENT}).parent).get_span_context()

    assert (span_context.trace_id, span_context.span_id, span_context.is_remote) == (
        0x0AF7651916CD43DD8448EB211C80319C,
        0xB7AD6B7169203331,
        True,
    )


def test_a_refinement_belongs_where_the_outer_call_does():
    outer = CallContext({"traceparent": TRACEPARENT})

    assert CallContext(outer=outer).parent is outer.parent


@pytest.mark.parametrize("headers", [{}, {"traceparent": "garbage"}])
def test_a_call_from_nowhere_has_no_parent(headers):
    assert CallContext(headers).parent is None


# -- its streams


def test_an_upstream_stream_covers_the_call_while_open_and_when_completed():
    asking, one = CallContext(), stream()
    states = [asking.is_covered]
    asking.opened(one)
    states.append(asking.is_covered)
    asking.closed(one, "completed")
    states.append(asking.is_covered)

    assert (states, asking.upstream_opened, asking.upstream_open, asking.upstream_succeeded) == (
        [False, True, True], 1, 0, 1,
    )  # fmt: skip


def test_a_failed_upstream_stream_covers_nothing():
    asking, one = CallContext(), stream()
    asking.opened(one)
    asking.closed(one, "error")

    assert (asking.is_covered, asking.upstream_opened, asking.upstream_failed) == (False, 1, 1)


def test_a_plain_upstream_call_covers_no_stream_but_is_counted():
    asking, plain = CallContext(), stream(streaming=False)
    asking.opened(plain)
    while_open = asking.is_covered
    asking.closed(plain, "completed")

    assert (while_open, asking.is_covered, asking.upstream_opened, asking.upstream_succeeded) == (
        False, False, 1, 0,
    )  # fmt: skip


def test_a_stream_taken_from_the_server_tap_is_the_call_itself():
    asking, own = CallContext(), stream("downstream")
    asking.opened(own)
    asking.closed(own, "completed")

    assert (asking.upstream_opened, asking.upstream_succeeded, asking.is_covered) == (0, 0, False)


def test_only_streams_of_the_call_are_counted_and_each_once():
    asking, one = CallContext(), stream()
    asking.closed(stream(), "completed")
    asking.opened(one)
    asking.closed(one, "completed")
    asking.closed(one, "completed")

    assert asking.upstream_succeeded == 1


def test_the_outer_call_counts_the_streams_of_its_refinements():
    outer, one = CallContext(), stream()
    inner = CallContext(outer=outer)
    inner.opened(one)
    inner.closed(one, "completed")

    assert (outer.upstream_opened, outer.upstream_succeeded) == (1, 1)


def test_streams_open_at_a_hang_up_and_later_ones_are_told():
    outer = CallContext()
    inner = CallContext(outer=outer)
    before, done, after = stream(), stream(), stream()
    inner.opened(before)
    inner.opened(done)
    inner.closed(done, "completed")
    outer.hang_up()
    inner.opened(after)

    assert [before.hung_up, done.hung_up, after.hung_up] == [True, False, True]


def test_streams_still_open_when_the_call_is_over_are_told():
    outer, one = CallContext(), stream()
    inner = CallContext(outer=outer)
    inner.opened(one)
    inner.end()
    refined = one.call_over
    outer.end()

    assert (refined, one.call_over) == (False, True)


# -- current, and not


def test_a_call_is_current_inside_its_block_only():
    asking = CallContext()
    with call.entered(asking):
        inside = call.current()

    assert (inside, call.current()) == (asking, None)


def test_an_ended_call_is_never_current_though_a_task_still_carries_it():
    asking = CallContext()
    with call.entered(asking):
        asking.end()
        after = call.current()

    assert after is None


def test_a_refinement_ends_with_its_outer_call():
    outer = CallContext()
    with call.entered(CallContext(outer=outer)):
        outer.end()
        after = call.current()

    assert after is None


def test_what_a_private_call_left_running_stays_private_and_nobodys():
    asking = CallContext({"x-agent-type": "coder"}, given=Who(private=True))
    with call.entered(asking):
        asking.end()
        after = call.current()

    assert (after.who, after.parent) == (Who(private=True), None)


async def test_a_worker_made_during_one_call_does_not_work_for_it_afterwards():
    """A queue worker keeps the contextvars of the request that happened to create it."""
    work: asyncio.Queue[None] = asyncio.Queue()
    seen = []

    async def worker():
        while True:
            await work.get()
            seen.append(call.current())
            work.task_done()

    first = CallContext()
    with call.entered(first):
        task = asyncio.ensure_future(worker())
        work.put_nowait(None)
        await work.join()
    first.end()
    with call.entered(CallContext()):
        work.put_nowait(None)
        await work.join()
    task.cancel()

    assert seen == [first, None]


def test_a_block_left_in_another_context_takes_no_offence():
    """The garbage collector closes a coroutine wherever it happens to run."""

    async def handler():
        with call.entered(CallContext()):
            await asyncio.sleep(3600)

    async def drop():
        loop = asyncio.get_running_loop()
        task = loop.create_task(handler())
        await asyncio.sleep(0)
        coroutine = task.get_coro()
        task.cancel()
        return coroutine

    coroutine = handler()
    asyncio.run(drop())
    coroutine.close()
    gc.collect()

    assert call.current() is None


# -- how its caller saw it end


def ended(asking, *outcomes):
    """Have the call's streams end like this, one after the other."""
    for outcome in outcomes:
        made = stream()
        asking.opened(made)
        asking.closed(made, outcome)


@pytest.mark.parametrize(
    ("outcomes", "seen"),
    [
        ([], None),
        (["completed"], "completed"),
        (["incomplete"], "incomplete"),
        (["error", "completed"], "completed"),
        (["error", "timeout"], "timeout"),
        (["completed", "cancelled"], "completed"),
        (["completed", "abandoned"], "completed"),
        (["completed", "error"], "error"),
    ],
)
def test_a_call_ends_as_the_try_that_counted_did(outcomes, seen):
    """Of two asked at once the loser is dropped; a step that fails after one that went well is a failure."""
    asking = CallContext()
    ended(asking, *outcomes)

    assert asking.outcome(200) == seen


@pytest.mark.parametrize(
    ("status", "error", "seen"),
    [
        (200, None, "completed"),
        (0, None, "completed"),
        (502, None, "error"),
        (200, ValueError(), "error"),
        (0, TimeoutError(), "timeout"),
    ],
)
def test_what_the_gateway_makes_of_it_is_what_the_caller_sees(status, error, seen):
    asking = CallContext()
    ended(asking, "completed")

    assert asking.outcome(status, error) == seen


def test_who_hangs_up_sees_no_end_at_all():
    asking = CallContext()
    ended(asking, "error")
    asking.hang_up()

    assert asking.outcome(500) == "cancelled"


def test_an_answer_that_went_out_before_its_stream_was_closed_was_seen_whole():
    asking = CallContext()
    asking.opened(stream())

    assert asking.outcome(200) == "completed"


def test_an_answer_told_by_the_server_tap_alone_counts_as_well():
    asking = CallContext()
    asking.closed(stream("downstream"), "completed")

    assert asking.outcome(200) == "completed"
