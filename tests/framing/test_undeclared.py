from __future__ import annotations

import corpus
import pytest
from framed import cut, frames, raws

from otel_stream.framing.undeclared import BY_CONTENT_TYPE, Undeclared

AWS = corpus.streams(framing="aws_eventstream")[0].body


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'data: {"a": 1}\n\ndata: [DONE]\n\n', [b'{"a": 1}', b"[DONE]"]),
        (b": keep-alive\n\nevent: e\ndata: 1", [b"1"]),
        (b"\xef\xbb\xbf\r\n\r\ndata: 1234567890\n\n", [b"1234567890"]),
        (b'[{"a": 1}\n,\r\n{"a": 2}]', [b'{"a": 1}', b'{"a": 2}']),
        (b' \n {"a": 1}\n{"a": 2}\n', [b'{"a": 1}', b'{"a": 2}']),
        (b'{"a": 1}\n\n\n{"a": 2}\n{"a": 3}', [b'{"a": 1}', b'{"a": 2}', b'{"a": 3}']),
        (b"data: 1\n\n", [b"1"]),
        (b"[{}]", [b"{}"]),
    ],
)
def test_the_first_bytes_tell_the_framing(body, wanted, size):
    framing = Undeclared()

    assert raws(framing, *cut(body, size)) == wanted
    assert framing.document == b""


@pytest.mark.parametrize("size", [1, 10_000])
def test_an_event_stream_is_known_by_its_checksum(size):
    assert raws(Undeclared(), *cut(AWS, size)) == raws(
        BY_CONTENT_TYPE["application/vnd.amazon.eventstream"](1 << 20), AWS
    )


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}',
        b'{"a": 1}\n',
        b'{\n  "a": 1\n}\n',
        b"<html><body>Sign in</body></html>",
        b"no",
        b"",
        b'{"a": 1} ',
        b'{"a\n": 1}',
    ],
)
def test_what_is_one_document_is_kept_whole(body, size):
    framing = Undeclared()

    assert raws(framing, *cut(body, size)) == []
    assert framing.document == body


def test_a_document_can_be_read_when_the_body_was_not_read_to_its_end():
    framing = Undeclared()
    framing.feed(b'{"a": 1')

    assert framing.document == b'{"a": 1'


def test_a_document_above_the_cap_is_dropped_and_counted():
    framing = Undeclared(max_bytes=20)

    assert frames(framing, [b"<html>", b"x" * 20, b"x" * 20]) == []
    assert (framing.document, framing.dropped) == (b"", 1)


def test_frames_above_the_cap_are_dropped_and_counted():
    framing = Undeclared(max_bytes=30)

    assert raws(framing, b"data: 1234567890\n\n", b"data: " + b"x" * 40 + b"\n\n", b"data: 2\n\n") == [
        b"1234567890",
        b"2",
    ]
    assert framing.dropped == 1


def test_where_no_stream_was_asked_for_only_server_sent_events_are_one():
    lines, text = Undeclared(asked_for=False), Undeclared(asked_for=False)
    events = Undeclared(asked_for=False)

    assert raws(lines, b'[{"a": 1}, {"a": 2}]') == []
    assert lines.document == b'[{"a": 1}, {"a": 2}]'
    assert raws(text, b"identity is a word that begins like a field") == []
    assert raws(events, b'data: {"a": 1}\n\ndata: [DONE]\n\n') == [b'{"a": 1}', b"[DONE]"]


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("text/event-stream", b'{"a": 1}\n{"a": 2}\n', [b'{"a": 1}', b'{"a": 2}']),
        ("text/event-stream", b'[{"a": 1},\n{"a": 2}]', [b'{"a": 1}', b'{"a": 2}']),
        ("text/event-stream", b"retries: 3\ndata: 1\n\n", [b"1"]),
        ("text/event-stream", b'{\n"error": 1\n}\n\ndata: 1\n\n', [b'{\n"error": 1\n}', b"1"]),
        ("application/x-ndjson", b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
        ("application/x-ndjson", b'[1]\n{"a": 1}', [b"[1]", b'{"a": 1}']),
        ("application/x-ndjson", b'\x1e{"a": 1}\n', [b'{"a": 1}']),
    ],
)
def test_a_declared_framing_holds_unless_the_first_bytes_say_otherwise(kind, body, wanted, size):
    assert raws(Undeclared(declared=BY_CONTENT_TYPE[kind]), *cut(body, size)) == wanted


def test_a_declared_line_is_read_as_soon_as_it_is_complete():
    framing = Undeclared(declared=BY_CONTENT_TYPE["application/x-ndjson"])

    assert [frame.raw for frame in framing.feed(b'{"response": "a"}\n')] == [b'{"response": "a"}']
