"""Requests as formats read them, and the shapes in which providers tell errors."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.meaning import MAX_WORD, Failure, Request, error_document, failure_of, read_failure


def request(body=b"", url="https://api.example.com:8443/v1/chat?x=1"):
    return Request("post", url, {}, body)


# -- requests ------------------------------------------------------------------------------------------------


def test_a_url_is_taken_apart():
    found = request()

    assert (found.method, found.host, found.path, found.query) == (
        "POST",
        "api.example.com",
        "/v1/chat",
        "x=1",
    )
    assert found.parts[1] == 8443


@pytest.mark.parametrize("url", ["http://[::1/v1/chat", "http://h:port/v1", "http://h:99999/v1"])
def test_a_url_that_is_not_understood_has_no_parts(url):
    assert request(url=url).parts == ("", None, "", "")


def test_members_of_the_body_are_read_by_their_type():
    found = request(b'{"model": "m", "n": 2, "stream": null}')

    assert (found.get("model", str), found.get("n", int)) == ("m", 2)
    assert (found.get("model", int), found.get("stream", bool), found.get("none", str)) == (None, None, None)


@pytest.mark.parametrize("body", [None, b"", b"[1]", b"model=m", b'{"model": ', b"\xff", b'{"a":' * 5000])
def test_a_body_that_is_no_object_has_no_members(body):
    found = request(body)

    assert (found.fields, found.get("model", str), found.prompt_characters) == ({}, None, 0)


def test_a_member_that_cannot_be_read_is_none():
    assert request(b'{"model": "\\ud83d"}').get("model", str) is None


def test_the_prompt_is_measured_without_what_is_no_text():
    image = "data:image/png;base64," + "A" * 100_000
    message = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]

    assert request(json.dumps({"messages": message, "user": "x" * 5000}).encode()).prompt_characters < 200
    assert request(json.dumps({"prompt": "x" * 1000, "max_tokens": 7}).encode()).prompt_characters == 1002
    assert request(json.dumps({"input": "word " * 20_000}).encode()).prompt_characters == 100_002


# -- failures ------------------------------------------------------------------------------------------------

SHAPES = [
    ({"error": {"type": "t", "code": "c", "message": "m"}}, Failure("t", "c", "m")),
    ({"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}}, Failure("UNAVAILABLE", "503", "m")),
    ([{"error": {"code": 400, "status": "S", "message": "m"}}], Failure("S", "400", "m")),
    ({"error": "m"}, Failure(None, None, "m")),
    ({"error": "m", "code": "c"}, Failure(None, "c", "m")),
    ({"detail": "m"}, Failure(None, None, "m")),
    ({"errors": [{"code": "c", "message": "m"}]}, Failure(None, "c", "m")),
    ({"message": "m", "code": "c", "type": "t"}, Failure("t", "c", "m")),
    ({"error_type": "t", "message": "m"}, Failure("t", None, "m")),
    ({"Message": "m"}, Failure(None, None, "m")),
    ({"error": {"message": None, "type": 7, "code": True}}, Failure("7", None, None)),
    ({"error": {"type": "", "code": [], "message": 7}}, Failure(None, None, None)),
    ({"error": {"type": "x" * 999}}, Failure("x" * MAX_WORD, None, None)),
]


@pytest.mark.parametrize(("body", "failure"), SHAPES)
def test_an_error_is_read_in_the_shapes_providers_use(body, failure):
    assert read_failure(json.dumps(body).encode()) == failure


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[]", b"7", b'{"message": 7}', b'{"error": null}', b"\xff\xfe"]
)
def test_what_tells_no_error_is_none_but_for_a_type_told_elsewhere(body):
    assert read_failure(body) is None
    assert read_failure(body, "ThrottlingException") == Failure("ThrottlingException", None, None)


def test_a_type_told_elsewhere_stands_behind_the_bodys_own():
    assert read_failure(b'{"message": "m"}', "h") == Failure("h", None, "m")
    assert read_failure(b'{"error": {"type": "t", "status": "S"}}', "h") == Failure("t", None, None)
    assert read_failure(b'{"error": {"status": "S"}}', "h") == Failure("h", None, None)


@pytest.mark.parametrize(
    ("member", "failure"),
    [
        (b"", None),
        (b"null", None),
        (b'"m"', Failure(None, None, "m")),
        (b'{"code": "c"}', Failure(None, "c", None)),
        (b"true", Failure(None, None, None)),
        (b"[1]", Failure(None, None, None)),
    ],
)
def test_an_error_member_is_an_error_unless_it_is_missing_or_null(member, failure):
    assert failure_of(msgspec.Raw(member)) == failure


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": {"message": "m"}}, Failure(None, None, "m")),
        ({"error": None, "choices": []}, None),
        ({"choices": [{"message": {"content": '"error"'}}]}, None),
        ([{"error": 1}], None),
        ({"id": "x" * 300, "error": {"message": "m"}}, None),
    ],
)
def test_a_document_is_an_error_when_it_begins_as_one(body, failure):
    assert error_document(json.dumps(body).encode()) == failure


@given(st.binary())
def test_any_bytes_tell_an_error_or_none(body):
    read_failure(body)
    error_document(b'{"error":' + body)
