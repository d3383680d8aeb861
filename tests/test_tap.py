"""One HTTP exchange from its first byte to its end: when a stream is opened, and what ends it.

What bodies come to is told by the tests of the formats; here are beginnings, ends and everything in between.
"""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from answers import EVENT_STREAM, JSON, sse
from recording import Recording

from otel_stream import _guard
from otel_stream.document import MAX_ERROR_BYTES
from otel_stream.events import Completed, Error, Started
from otel_stream.meaning import Request
from otel_stream.semconv import INPUT_MESSAGES
from otel_stream.tap import SNIFFED_FRAMES, Tap

URL = "https://api.openai.com/v1/chat/completions"
ASKED = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def chunk(text="", **more):
    return {"id": "c-1", "model": "gpt-4o-1", "choices": [{"index": 0, "delta": {"content": text}}], **more}


HELLO = sse(chunk("Hel"), chunk("lo"), "[DONE]")


class Exchange:
    """A tap on a request; `opened` are the recordings of the streams that it opened."""

    def __init__(self, url=URL, asked=ASKED, headers=None, method="POST", **known):
        self.opened = []
        body = None if asked is None else json.dumps(asked).encode()
        self.tap = Tap(Request(method, url, headers or {}, body), self.open, **known)
        self.tap.send()

    def open(self, facts, began):
        self.opened.append(Recording(facts, started_at=began))
        return self.opened[-1].stream

    def answer(self, *chunks, status=200, headers=EVENT_STREAM, ending="eof", error=None):
        self.tap.responded(status, headers)
        for piece in chunks:
            self.tap.feed(piece)
        self.tap.end(ending, error)
        return self

    @property
    def events(self):
        (recording,) = self.opened
        return recording.events

    @property
    def text(self):
        return "".join(event.text for event in self.events[1:-1])

    @property
    def last(self):
        return self.events[-1]


# -- beginnings --------------------------------------------------------------------------------------------


def test_a_stream_begins_when_the_request_goes_out():
    exchange = Exchange()

    assert [type(event) for event in exchange.events] == [Started]
    assert (exchange.events[0].model, exchange.tap.facts.provider) == ("gpt-4o", "openai")


def test_lazily_a_stream_begins_at_the_first_frame_that_means_something():
    exchange = Exchange(lazy=True, began=90.0)
    exchange.tap.responded(200, EVENT_STREAM)
    exchange.tap.feed(sse("no chunk"))
    assert exchange.opened == []

    exchange.tap.feed(HELLO)
    exchange.tap.end("eof")

    assert (exchange.text, type(exchange.last)) == ("Hello", Completed)
    assert exchange.opened[0].stream.started_at == 90.0
    assert exchange.opened[0].stream.status == 200


def test_lazily_a_stream_of_nothing_never_begins():
    assert Exchange(lazy=True).answer(sse("ping"), sse("pong")).opened == []


def test_lazily_an_error_response_is_none_of_ours():
    assert Exchange(lazy=True).answer(b'{"error": {"message": "no"}}', status=500, headers=JSON).opened == []


def test_a_stream_of_a_request_that_tells_nothing_begins_when_its_format_is_known():
    exchange = Exchange("https://gateway.example/ask", {"model": "house", "temperature": 0.5}).answer(
        sse("ping"), HELLO, headers=EVENT_STREAM
    )

    assert (exchange.text, exchange.tap.facts.format, exchange.tap.facts.model) == (
        "Hello",
        "openai_chat",
        "house",
    )
    assert exchange.tap.facts.attributes == {"gen_ai.request.temperature": 0.5}


def test_what_is_not_understood_after_a_few_frames_is_left_alone():
    exchange = Exchange("https://example.com/events", {}).answer(*[sse("tick")] * SNIFFED_FRAMES, HELLO)

    assert (exchange.opened, exchange.tap.ignored) == ([], True)


def test_what_is_left_alone_is_left_alone_within_a_read_as_well():
    exchange = Exchange("https://example.com/events", {}).answer(sse(*["tick"] * SNIFFED_FRAMES) + HELLO)

    assert (exchange.opened, exchange.tap.ignored) == ([], True)


@pytest.mark.parametrize("headers", [{"content-type": "application/json"}, {"content-type": "text/html"}, {}])
def test_answers_that_are_no_streams_to_requests_that_tell_nothing_are_not_watched(headers):
    exchange = Exchange("https://example.com/search", {"q": "x"})

    assert exchange.tap.responded(200, headers) is False
    exchange.tap.feed(HELLO)
    exchange.tap.end("eof")
    assert (exchange.opened, exchange.tap.ignored) == ([], True)


def test_the_prompt_is_kept_where_it_is_asked_for():
    asked = Exchange(capture=True).tap.facts.attributes

    assert json.loads(asked[INPUT_MESSAGES])[0]["role"] == "user"
    assert INPUT_MESSAGES not in Exchange().tap.facts.attributes
    sniffed = Exchange("https://gateway.example/ask", capture=True).answer(HELLO)
    assert INPUT_MESSAGES in sniffed.tap.facts.attributes


# -- the head of the answer ----------------------------------------------------------------------------------


def test_the_providers_request_id_is_noted_the_most_specific_first():
    exchange = Exchange()
    exchange.tap.responded(200, {**EVENT_STREAM, "cf-ray": "ray-1", "request-id": "req-1"})

    assert exchange.opened[0].stream.provider_request_id == "req-1"


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "TEXT/EVENT-STREAM; charset=utf-8", "application/json", "", "text/plain"]
)
def test_a_content_type_helps_and_does_not_bind(kind):
    assert Exchange().answer(HELLO, headers={"content-type": kind}).text == "Hello"


def test_an_http_error_tells_what_the_provider_says():
    exchange = Exchange().answer(
        b'{"error": {"type": "overloaded", ', b'"message": "no"}}', status=529, headers=JSON
    )

    assert (exchange.last.error_type, exchange.last.message, exchange.last.outcome) == (
        "overloaded",
        "no",
        "error",
    )


def test_an_http_error_without_words_is_one():
    exchange = Exchange().answer(status=503, headers={})

    assert (type(exchange.last), exchange.last.message, exchange.last.error_type) == (
        Error,
        "HTTP 503",
        "503",
    )


def test_the_kind_of_an_error_may_stand_in_a_header():
    headers = {**JSON, "x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/"}

    exchange = Exchange().answer(b'{"message": "slow"}', status=429, headers=headers)

    assert (exchange.last.error_type, exchange.last.message) == ("ThrottlingException", "slow")


def test_an_error_page_without_end_is_given_up():
    before = _guard.counts().get("tap.body_too_large", 0)
    exchange = Exchange().answer(b"<", *[b"x" * 1000] * (MAX_ERROR_BYTES // 1000 + 9), status=502, headers={})

    assert (exchange.last.outcome, exchange.last.error_type) == ("error", "502")
    assert _guard.counts()["tap.body_too_large"] == before + 1


# -- bodies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [EVENT_STREAM, {}, {**EVENT_STREAM, "content-encoding": "gzip"}])
def test_each_read_is_taken_at_its_own_time(headers):
    engine = zlib.compressobj(wbits=31)
    exchange = Exchange()
    exchange.tap.responded(200, headers)
    for text in "abc":
        exchange.opened[0].clock.pass_(1)
        read = sse(chunk(text))
        flushed = engine.compress(read) + engine.flush(zlib.Z_SYNC_FLUSH)
        exchange.tap.feed(flushed if "content-encoding" in headers else read)

    start, *deltas = [event.time_unix_nano for event in exchange.events]
    assert [at - start for at in deltas] == [10**9, 2 * 10**9, 3 * 10**9]


def test_a_whole_answer_is_read_at_its_end():
    body = {"id": "c-1", "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}

    exchange = Exchange(asked={**ASKED, "stream": False}).answer(json.dumps(body).encode(), headers=JSON)

    assert (exchange.text, type(exchange.last)) == ("Hello", Completed)


@pytest.mark.parametrize("stream", [True, False])
def test_a_whole_answer_that_is_an_error_is_one_whatever_its_status(stream):
    exchange = Exchange(asked={**ASKED, "stream": stream}).answer(
        b'{"error": {"message": "no"}}', headers=JSON
    )

    assert (exchange.last.outcome, exchange.last.message) == ("error", "no")


def test_a_body_of_nothing_is_incomplete():
    assert Exchange().answer(b" \n", headers=JSON).last.outcome == "incomplete"


def test_a_document_that_is_too_large_is_given_up_and_counted():
    before = _guard.counts().get("framing.dropped", 0)

    exchange = Exchange(max_frame_bytes=100).answer(b"<", b"x" * 200, headers={})

    assert exchange.last.outcome == "incomplete"
    assert _guard.counts()["framing.dropped"] == before + 1


def test_frames_that_are_too_large_are_given_up_and_counted():
    before = _guard.counts().get("framing.dropped", 0)

    exchange = Exchange(max_frame_bytes=500).answer(sse(chunk("x" * 900)), HELLO)

    assert exchange.text == "Hello"
    assert _guard.counts()["framing.dropped"] == before + 1


def test_a_coded_body_is_decoded_on_a_copy():
    coded = gzip.compress(HELLO)

    exchange = Exchange().answer(coded[:5], coded[5:], headers={**EVENT_STREAM, "content-encoding": "gzip"})

    assert exchange.text == "Hello"


@pytest.mark.parametrize("encoding", ["identity", ""])
def test_a_body_may_say_that_it_is_not_coded(encoding):
    assert Exchange().answer(HELLO, headers={**EVENT_STREAM, "content-encoding": encoding}).text == "Hello"


@pytest.mark.parametrize(
    ("encoding", "why"), [("exi", "content-encoding 'exi' is not known"), ("gzip", "Error -3")]
)
def test_a_body_that_cannot_be_decoded_is_passed_by(encoding, why):
    exchange = Exchange().answer(HELLO, HELLO, headers={**EVENT_STREAM, "content-encoding": encoding})

    assert exchange.last.outcome == "incomplete"
    assert exchange.opened[0].stream.attributes["undecodable"].startswith(why)


def test_a_body_that_cannot_be_decoded_and_tells_nothing_leaves_no_trace():
    headers = {**EVENT_STREAM, "content-encoding": "exi"}

    assert Exchange("https://gateway.example/ask").answer(HELLO, headers=headers).opened == []


# -- ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "error", "outcome"),
    [
        ("eof", None, "incomplete"),
        ("closed", None, "cancelled"),
        ("cancelled", None, "cancelled"),
        ("failed", ConnectionError("reset"), "error"),
        ("timeout", TimeoutError(), "timeout"),
        ("abandoned", None, "abandoned"),
    ],
)
def test_without_a_terminal_the_ending_decides(ending, error, outcome):
    assert Exchange().answer(sse(chunk("Hel")), ending=ending, error=error).last.outcome == outcome


@pytest.mark.parametrize("ending", ["eof", "closed", "cancelled", "failed", "abandoned"])
def test_with_a_terminal_no_ending_matters(ending):
    assert type(Exchange().answer(HELLO, ending=ending).last) is Completed


def test_an_event_left_open_counts_however_the_body_ends():
    """A host that reads lines may never read the empty one after `[DONE]`."""
    whole, cut = HELLO.removesuffix(b"\n\n"), HELLO.removesuffix(b"[DONE]\n\n") + b"[DONE"

    assert type(Exchange().answer(whole).last) is Completed
    assert type(Exchange().answer(whole, ending="closed").last) is Completed
    assert Exchange().answer(cut).last.outcome == "incomplete"


def test_a_document_is_read_also_when_the_body_was_closed_early():
    body = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    asked = {**ASKED, "stream": False}

    assert (
        type(Exchange(asked=asked).answer(json.dumps(body).encode(), headers=JSON, ending="closed").last)
        is Completed
    )


def test_a_request_that_is_never_answered_ends():
    exchange = Exchange()

    exchange.tap.end("failed", ConnectionError("refused"))

    assert (exchange.last.outcome, exchange.last.message) == ("error", "refused")


def test_only_the_first_end_counts_and_nothing_is_read_after_it():
    exchange = Exchange().answer(sse(chunk("Hel")), ending="closed")
    ended = list(exchange.events)

    exchange.tap.feed(HELLO)
    exchange.tap.end("eof")

    assert exchange.events == ended


def test_an_exchange_that_was_left_alone_ends_without_a_trace():
    exchange = Exchange("https://example.com/", None, method="GET")

    exchange.tap.end("eof")

    assert exchange.opened == []


# -- the host comes first ------------------------------------------------------------------------------------


def test_an_error_of_ours_ends_neither_the_host_nor_the_stream(swallow, monkeypatch):
    exchange = Exchange()
    exchange.tap.responded(200, EVENT_STREAM)
    exchange.tap.feed(sse(chunk("Hel")))
    monkeypatch.setattr(exchange.tap._parser, "feed", lambda frame: 1 / 0)
    exchange.tap._switch(exchange.tap._feed_frames)

    exchange.tap.feed(sse(chunk("lo")))
    exchange.tap.end("eof")

    assert exchange.last.outcome == "incomplete"


def test_the_stream_ends_also_when_what_was_held_back_cannot_be_read(swallow, monkeypatch):
    monkeypatch.setattr(Tap, "_drain", lambda tap, ending: 1 / 0)

    assert Exchange().answer(HELLO).last.outcome == "completed"


@pytest.mark.parametrize(
    ("rest", "counted"), [(b'data: {"choices":[{"ind', 0), (b'data: {"choices":[{"ind\n\n', 1)]
)
def test_a_frame_that_was_cut_off_is_no_error_of_ours(rest, counted):
    """Callers hang up in the middle of a frame all day long; the alert on errors of ours is for others."""
    before = _guard.counts().get("wire.openai_chat", 0)

    Exchange().answer(sse(chunk("Hello")), rest, ending="closed")

    assert _guard.counts().get("wire.openai_chat", 0) == before + counted
