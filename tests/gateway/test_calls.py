"""`gateway_call` and `private`: who is asking, said by hand."""

from __future__ import annotations

import asyncio

import pytest

from otel_stream import call
from otel_stream.gateway import gateway_call, private, trace_stream
from otel_stream.identity import Who


def started(watched):
    for _ in trace_stream(["Hello"], model="m", provider="p"):
        pass
    return watched.started[-1]


def test_streams_inside_are_attributed(watched):
    with gateway_call(agent_type="coder", tenant="acme", session_id="s-1", request_id="r-1"):
        event = started(watched)

    assert (event.agent_type, event.tenant, event.session_id, event.call_id) == (
        "coder", "acme", "s-1", "r-1",
    )  # fmt: skip


async def test_it_is_an_asynchronous_context_manager_too(watched):
    async with gateway_call(agent_type="coder") as context:
        event = started(watched)

    assert (event.agent_type, context.ended, call.current()) == ("coder", True, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Agent-Type": "coder", "X-Request-ID": "r-1"},
        [("X-Agent-Type", "coder"), ("x-request-id", "r-1"), ("X-Agent-Type", "second")],
        [(b"x-agent-type", b"coder"), (b"x-request-id", b"r-1")],
        iter([["x-agent-type", "coder"], ["x-request-id", "r-1"]]),
    ],
    ids=["mapping", "pairs", "bytes", "iterator"],
)
def test_headers_come_in_any_shape(watched, headers):
    with gateway_call(headers):
        event = started(watched)

    assert (event.agent_type, event.call_id) == ("coder", "r-1")


def test_what_is_given_wins_over_the_headers(watched):
    with gateway_call({"x-agent-type": "header", "x-tenant-id": "acme"}, agent_type="given"):
        event = started(watched)

    assert (event.agent_type, event.tenant) == ("given", "acme")


def test_an_inner_call_refines_the_outer_one(watched):
    with gateway_call(agent_type="outer", tenant="acme", request_id="r-1") as outer:
        with gateway_call(agent_type="inner"):
            inside = started(watched)
        after = started(watched)

    assert (inside.agent_type, inside.tenant, inside.call_id) == ("inner", "acme", "r-1")
    assert (after.agent_type, outer.upstream_opened) == ("outer", 2)


@pytest.mark.usefixtures("swallow")
def test_headers_we_cannot_read_cost_the_host_nothing(watched):
    with gateway_call(42, agent_type="coder"):
        event = started(watched)

    assert event.agent_type == "coder"


@pytest.mark.parametrize(
    ("error", "hung_up"), [(asyncio.CancelledError(), True), (ValueError("theirs"), False)]
)
def test_errors_pass_and_cancellation_is_a_hang_up(error, hung_up):
    with pytest.raises(type(error)) as caught, gateway_call() as context:
        raise error

    assert (caught.value is error, context.hung_up, context.ended) == (True, hung_up, True)


async def test_a_queue_worker_says_whose_item_it_works_on(watched):
    """The worker was made during the first request; only what it says itself counts."""
    queue = asyncio.Queue()

    async def worker():
        for _ in range(2):
            agent_type = await queue.get()
            with gateway_call(agent_type=agent_type):
                started(watched)

    with gateway_call(agent_type="first request"):
        task = asyncio.ensure_future(worker())
        queue.put_nowait("one")
        queue.put_nowait("two")
        await task

    assert [event.agent_type for event in watched.started] == ["one", "two"]


def test_a_call_that_was_made_and_never_entered_is_nobodys():
    made = gateway_call(agent_type="coder")
    made.__exit__(None, None, None)

    assert (made.context.ended, call.current()) == (True, None)


def test_private_keeps_text_out_and_attribution_in(watched):
    with gateway_call(agent_type="coder"), private():
        event = started(watched)

    assert (event.agent_type, watched.text, watched.ended[0].output_characters) == ("coder", "", 5)


def test_private_without_a_call_says_nothing_else(watched):
    with private() as context:
        event = started(watched)

    assert (context.who, event.agent_type, watched.text) == (Who(private=True), None, "")


def test_after_private_text_is_told_again(watched):
    with private():
        pass
    started(watched)

    assert watched.text == "Hello"


class Counted:
    """Stands for the process's metrics."""

    def __init__(self):
        self.calls = []

    def call_ended(self, asked, status=0, error=None):
        self.calls.append((asked.who.tenant, type(error)))


def test_a_call_told_by_hand_is_counted_where_no_server_counts_it(watched, monkeypatch):
    monkeypatch.setattr(watched.runtime, "metrics", Counted())

    with gateway_call(tenant="acme"), gateway_call(tenant="part of it"):
        pass
    with pytest.raises(ValueError, match="bad"), gateway_call(tenant="globex"):
        raise ValueError("bad")

    assert watched.runtime.metrics.calls == [("acme", type(None)), ("globex", ValueError)]
