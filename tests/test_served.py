"""One request to the gateway as the server taps tell it: when its bytes are looked at, and what is kept."""

from __future__ import annotations

import asyncio
import json

import pytest
from provider import CHAT, COMPLETION, EVENT_STREAM, TEXT, sse
from watching import watching

from otel_stream import call, served
from otel_stream.meaning import CallFacts
from otel_stream.served import ServedCall

BODY = json.dumps({"model": "gpt-5", "stream": True, "metadata": {"agent_type": "planner"}}).encode()
FACTS = CallFacts("openai", "chat", "gpt-5", "openai_chat")
URL = "http://gateway/v1/chat/completions"


@pytest.fixture
def watched():
    with watching() as watched:
        yield watched


def request(watched, headers=None, method="POST", url=URL, body=BODY):
    asked = ServedCall(watched.runtime, method, url, headers or {})
    if asked.reading:
        asked.received(body)
    return asked


def answer(asked, chunks=CHAT, status=200, headers=EVENT_STREAM, error=None):
    """Answer as a server tap does, and return which chunks were looked at."""
    asked.responding(status, headers)
    looked = []
    for chunk in chunks:
        looked.append(asked.watching)
        if asked.watching:
            asked.sending(chunk)
    if error is None:
        asked.complete()
    asked.ended(error)
    return looked


def upstream(watched, asked, **changes):
    facts = CallFacts("openai", "chat", "gpt-5", "openai_chat", **changes)
    return watched.runtime.open_stream(facts, call=asked.context)


def test_an_answer_nobody_else_tells_is_a_stream(watched):
    looked = answer(request(watched))

    assert (looked, watched.outcomes, watched.text) == ([True] * len(CHAT), ["completed"], TEXT)


def test_an_answer_an_upstream_stream_tells_is_looked_at_once(watched):
    asked = request(watched)
    stream = upstream(watched, asked)
    looked = answer(asked)
    stream.end("closed")

    assert (looked, len(watched.started)) == ([True] + [False] * (len(CHAT) - 1), 1)


def test_an_upstream_stream_that_opens_late_still_tells_it(watched):
    """Gateways send comments to keep their callers waiting before they have asked anybody."""
    asked = request(watched)
    asked.responding(200, EVENT_STREAM)
    asked.sending(b": wait\n\n")
    upstream(watched, asked)
    asked.sending(CHAT[1])

    assert ([event.source for event in watched.started], asked.watching) == (["upstream"], False)


def test_a_head_the_gateway_made_up_before_it_asked_anybody_opens_no_stream(watched):
    """LiteLLM sends `message_start` with a usage of zero, then asks Gemini."""
    asked = request(watched, url="http://gateway/v1/messages")
    start = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 0}}}
    asked.responding(200, EVENT_STREAM)
    asked.sending(sse(start)[0])
    upstream(watched, asked)
    asked.sending(sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}})[0])

    assert ([event.source for event in watched.started], asked.watching) == (["upstream"], False)


def test_a_head_is_told_with_the_first_content(watched):
    asked = request(watched, url="http://gateway/v1/messages")
    start = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3}}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
    answer(asked, sse(start, text, {"type": "message_stop"}))
    (completed,) = watched.ended

    assert (completed.response_id, completed.input_tokens, watched.text) == ("msg_1", 3, "Hi")


def test_a_stream_that_is_told_here_goes_on_to_be(watched):
    asked = request(watched)
    asked.responding(200, EVENT_STREAM)
    asked.sending(CHAT[1])
    late = upstream(watched, asked, streaming=False)
    late.end("eof")
    for chunk in CHAT[2:]:
        asked.sending(chunk)
    asked.ended()
    (own,) = (event for event in watched.started if event.source == "downstream")

    assert (watched.streams[own.request_id].billed, watched.text) == (False, TEXT)


def test_what_failed_upstream_is_not_told_again_but_a_success_after_it_is(watched):
    asked = request(watched)
    upstream(watched, asked).end("failed", OSError("no luck"))
    failed_again = answer(asked, [b'data: {"error": {"message": "no luck"}}\n\n'])
    asked = request(watched)
    upstream(watched, asked).end("failed", OSError("no luck"))
    answer(asked)

    assert (failed_again, [event.source for event in watched.started]) == (
        [True], ["upstream", "upstream", "downstream"],
    )  # fmt: skip


def test_what_broke_off_upstream_is_not_told_again_when_it_goes_out_late(watched):
    """lm-proxy puts what it reads into a queue; the provider may have failed before any of it goes out."""
    asked = request(watched)
    broken = upstream(watched, asked)
    broken.delta("Hello")
    broken.end("failed", OSError("no luck"))
    answer(asked)

    assert [event.source for event in watched.started] == ["upstream"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_queue_s_worker_was_told_is_not_told_again(watched, when):
    """It runs under no request; the provider's id says whose answer it is."""
    worker = watched.runtime.open_stream(FACTS)
    worker.head("chatcmpl-1")
    if when == "before":
        worker.done()
        worker.end("eof")
    asked = request(watched)
    looked = answer(asked)
    worker.done()
    worker.end("eof")

    assert ([event.source for event in watched.started], watched.outcomes) == (["upstream"], ["completed"])
    assert (looked[-1], asked.context.upstream_opened, asked.context.last_outcome) == (False, 1, "completed")


def test_what_a_worker_was_told_at_once_is_not_told_again_either(watched):
    worker = watched.runtime.open_stream(CallFacts("openai", "chat", "gpt-5", "openai_chat", streaming=False))
    worker.head("chatcmpl-2")
    answer(request(watched), [COMPLETION], headers={"content-type": "application/json"})

    assert [event.source for event in watched.started] == ["upstream"]


def test_the_time_counts_from_the_arrival_of_the_request(watched):
    asked = request(watched)
    upstream(watched, asked, streaming=False).end("eof")
    answer(asked)
    first, second = watched.started

    assert second.time_unix_nano <= first.time_unix_nano + 1_000_000


@pytest.mark.parametrize(
    ("status", "headers", "method"),
    [
        (500, EVENT_STREAM, "POST"),
        (404, {"content-type": "application/json"}, "POST"),
        (200, {"content-type": "text/html"}, "GET"),
        (200, {}, "GET"),
    ],
)
def test_answers_that_cannot_be_ours_are_not_looked_at(watched, status, headers, method):
    looked = answer(request(watched, method=method), status=status, headers=headers)

    assert (looked, watched.events) == ([False] * len(CHAT), [])


def test_an_ordinary_document_is_not_looked_at_beyond_its_first_bytes(watched):
    looked = answer(
        request(watched, url="http://gateway/api/users"), [b"{", b"}", b""], 200, {"content-type": "x/y"}
    )

    assert (looked, watched.events) == ([True, False, False], [])


def test_a_plain_answer_the_provider_gave_is_not_told_again(watched):
    asked = request(watched)
    asked.responding(200, {"content-type": "application/json"})
    asked.sending(COMPLETION[:20])
    upstream(watched, asked, streaming=False)
    asked.ended()

    assert [event.source for event in watched.started] == ["upstream"]


def test_views_of_memory_are_read_as_bytes(watched):
    answer(request(watched), [memoryview(chunk) for chunk in CHAT])

    assert watched.outcomes == ["completed"]


def test_the_body_says_who_asks(watched):
    asked = request(watched)

    assert asked.context.who.agent_type == "planner"


@pytest.mark.parametrize("body", [b"not json", b'{"metadata": "text"}', b'{"metadata": null}', b""])
def test_a_body_that_says_nothing_is_no_trouble(watched, body):
    assert request(watched, body=body).context.who.agent_type == "unknown"


def test_a_body_beyond_the_cap_is_not_kept(watched, monkeypatch):
    monkeypatch.setattr(served, "MAX_BODY_BYTES", len(BODY) - 1)
    asked = request(watched)
    answer(asked)

    assert (asked.reading, asked.context.who.agent_type, watched.started[0].model) == (
        False, "unknown", "unknown",
    )  # fmt: skip


def test_the_body_is_let_go_once_it_is_not_needed(watched):
    asked = request(watched)
    kept = b"".join(asked._body)
    asked.responding(200, EVENT_STREAM)
    asked.sending(CHAT[1])

    assert (kept, asked._body, asked.reading) == (BODY, [], False)


@pytest.mark.parametrize(
    ("setting", "headers", "hit"),
    [
        ("", {"x-litellm-cache-key": "k"}, True),
        ("", {"x-litellm-cache-key": ""}, False),
        ("", {"x-cache": "HIT"}, False),
        ("X-Cache", {"x-cache": "anything"}, True),
        ("X-Cache", {}, False),
        ("X-Cache: hit", {"x-cache": "HIT"}, True),
        ("X-Cache: hit", {"x-cache": "MISS"}, False),
    ],
)
def test_cache_hits_are_known_by_the_answers_head(setting, headers, hit):
    with watching(cache_hit_header=setting) as watched:
        answer(request(watched), headers=EVENT_STREAM | headers)
    (stream,) = watched.streams.values()

    assert stream.cache_hit is hit


def test_an_answer_with_upstream_calls_of_its_own_is_no_cache_hit(watched):
    asked = request(watched)
    upstream(watched, asked, streaming=False).end("eof")
    answer(asked, headers=EVENT_STREAM | {"x-litellm-cache-key": "k"})
    stream = watched.streams[watched.started[-1].request_id]

    assert (stream.billed, stream.cache_hit) == (False, False)


# -- hang-ups


def test_a_caller_who_leaves_early_hung_up(watched):
    asked = request(watched)
    asked.responding(200, EVENT_STREAM)
    asked.sending(CHAT[1])
    asked.lost()
    asked.ended()

    assert (asked.context.hung_up, watched.outcomes) == (True, ["cancelled"])


def test_a_caller_who_leaves_after_the_whole_answer_did_not_hang_up(watched):
    asked = request(watched)
    asked.responding(200, EVENT_STREAM)
    asked.sending(b"".join(CHAT))
    asked.complete()
    asked.lost()
    asked.ended()

    assert (asked.context.hung_up, watched.outcomes) == (False, ["completed"])


@pytest.mark.parametrize(
    ("error", "outcome", "hung_up"),
    [(asyncio.CancelledError(), "cancelled", True), (RuntimeError("theirs"), "error", False)],
)
def test_how_the_gateway_left_is_how_its_own_stream_ended(watched, error, outcome, hung_up):
    asked = request(watched)
    answer(asked, CHAT[:2], error=error)

    assert (watched.outcomes, asked.context.hung_up) == ([outcome], hung_up)


def test_a_call_is_over_when_the_gateway_is_through_with_it(watched):
    asked = request(watched)
    with call.entered(asked.context):
        live = call.current()
        answer(asked)
        after = call.current()

    assert (live, after) == (asked.context, None)


# -- requests are counted by what the caller saw


class Counted:
    """Stands for the process's metrics: keeps how calls ended."""

    def __init__(self):
        self.seen = []

    def call_ended(self, asked, status=0, error=None):
        self.seen.append(asked.outcome(status, error))


@pytest.fixture
def counted(watched, monkeypatch):
    monkeypatch.setattr(watched.runtime, "metrics", Counted())
    return watched.runtime.metrics.seen


def test_a_request_is_counted_once_however_often_it_was_tried(watched, counted):
    asked = request(watched)
    upstream(watched, asked).end("failed", OSError())
    second = upstream(watched, asked)
    second.done()
    second.end("eof")
    answer(asked)

    assert counted == ["completed"]


def test_a_request_is_counted_by_what_its_caller_saw(watched, counted):
    asked = request(watched)
    upstream(watched, asked).end("failed", OSError())
    answer(asked, [b'{"error": "bad gateway"}'], 502, {"content-type": "application/json"})
    left = request(watched)
    upstream(watched, left)
    left.lost()
    left.ended()

    assert counted == ["error", "cancelled"]


def test_a_request_without_an_llm_ends_as_nothing_that_is_counted(watched, counted):
    answer(request(watched, method="GET"), [b"{}"], headers={"content-type": "application/json"})

    assert counted == [None]
