from __future__ import annotations

import json

import pytest
from recorded import BODY, REQUEST, URL, entry, har

from otel_stream.inspection.exchanges import UNKNOWN_URL, UnreadableError, as_json, read

NO_BASE64 = {"text": "a", "encoding": "base64"}


@pytest.mark.parametrize("encoded", [False, True])
def test_an_archive_holds_requests_and_decoded_responses(encoded):
    (exchange,) = read(har(entry(encoded=encoded)))

    assert (exchange.method, exchange.url, exchange.status) == ("POST", URL, 200)
    assert exchange.body == BODY
    assert exchange.headers == {"content-type": "text/event-stream"}
    assert exchange.request_headers == {"x-agent": "a"}
    assert as_json(exchange.request_body) == REQUEST


def test_an_archive_may_say_little():
    minimal = {"request": {"url": URL}, "response": {"content": {"mimeType": "text/html"}}}

    (exchange,) = read(har(minimal))

    assert (exchange.method, exchange.request_body, exchange.body) == ("GET", None, b"")
    assert exchange.headers == {"content-type": "text/html"}


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_a_response_with_its_head_is_what_curl_writes(newline):
    head = ["HTTP/1.1 100 Continue", "", "HTTP/2 429 Too Many", "Content-Type: application/json", "Transfer-Encoding: chunked", "", ""]  # fmt: skip  # noqa: E501

    (exchange,) = read(newline.join(head).encode() + b'{"error":{}}', URL, b"{}")

    assert (exchange.status, exchange.headers) == (429, {"content-type": "application/json"})
    assert (exchange.url, exchange.body, exchange.request_body) == (URL, b'{"error":{}}', b"{}")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (BODY, "text/event-stream"),
        (b' {"id": 1}', "application/json"),
        (b"[]", "application/json"),
        (b"\0\0\0\x10", "application/vnd.amazon.eventstream"),
    ],
)
def test_a_body_alone_is_known_by_how_it_begins(body, kind):
    (exchange,) = read(body)

    assert (exchange.url, exchange.headers["content-type"]) == (UNKNOWN_URL, kind)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-type: x", "head does not end"),
        (b"HTTP/1.1 fine\r\n\r\n", "no status in 'HTTP/1.1 fine'"),
        (b'{"log": {"entries": 5}}', "no HAR archive: Expected `array`"),
        (b'{"log": {"entries": [', "no HAR archive"),
        (
            har({"request": {"url": ""}, "response": {"content": {"text": "a", "encoding": "base64"}}}),
            "no base64",
        ),
    ],
)
def test_what_cannot_be_read_is_explained(data, message):
    with pytest.raises(UnreadableError, match=message):
        read(data)


@pytest.mark.parametrize("body", [None, b"", b"{", b"\xff"])
def test_a_request_without_json_is_none(body):
    assert as_json(body) is None


def test_json_of_other_programs_is_a_body():
    assert read(json.dumps({"log": "x"}).encode())[0].headers["content-type"] == "application/json"
