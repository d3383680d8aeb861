"""Requests as a tap sees them, and the errors that providers tell."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_stream.meaning import MAX_WORD, Failure, Request, error_document, failure_of, read_failure


def test_a_url_is_taken_apart_once():
    request = Request("post", "https://user@h.example:8443/a/b?c=d#e", {})

    assert (request.method, request.host, request.path, request.query) == ("POST", "h.example", "/a/b", "c=d")
    assert request.parts[1] == 8443


@pytest.mark.parametrize("url", ["http://[half", "http://h:port/x", "http://h:99999/x"])
def test_a_url_that_is_none_has_no_parts(url):
    assert Request("GET", url, {}).parts == ("", None, "", "")


@pytest.mark.parametrize("body", [None, b"", b"no JSON", b"[1]", b'{"a": ', b'{"a":' * 5000])
def test_a_body_that_is_no_object_has_no_members(body):
    request = Request("POST", "http://h/", {}, body)

    assert (request.fields, request.get("a", str)) == ({}, None)


def test_members_are_read_as_the_type_that_is_asked_for():
    request = Request("POST", "http://h/", {}, b'{"a": "x", "b": null, "c": [1], "d": [1, "x"]}')

    assert request.get("a", str) == "x"
    assert request.get("c", list[int]) == [1]
    assert [request.get(name, int) for name in ("a", "b", "d", "missing")] == [None] * 4


def test_a_prompt_is_counted_without_its_pictures():
    picture = "A" * 4000
    plain = Request("POST", "http://h/", {}, b'{"model": "m", "messages": [{"content": "Hello"}]}')
    seen = Request("POST", "http://h/", {}, f'{{"messages": ["data:image/png;base64,{picture}"]}}'.encode())

    assert plain.prompt_characters == len('[{"content": "Hello"}]')
    assert seen.prompt_characters < 100


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ('{"error": {"type": "t", "code": "c", "message": "m"}}', Failure("t", "c", "m")),
        ('{"error": {"status": "INVALID", "code": 400, "message": "m"}}', Failure("INVALID", "400", "m")),
        ('{"error": "m", "code": "c"}', Failure(None, "c", "m")),
        ('{"error": "m", "error_type": "t"}', Failure("t", None, "m")),
        ('{"error": {"status": 400, "message": "m"}}', Failure(None, None, "m")),
        ('{"error_code": "BAD_REQUEST", "message": "m"}', Failure(None, "BAD_REQUEST", "m")),
        ('{"detail": [{"type": "missing", "loc": ["body"], "msg": "m"}]}', Failure(None, None, "m")),
        ('{"type": "t", "message": {"detail": [{"msg": "m"}]}}', Failure("t", None, "m")),
        ('{"message": "m", "code": 7}', Failure(None, "7", "m")),
        ('{"Message": "m"}', Failure(None, None, "m")),
        ('{"detail": "m"}', Failure(None, None, "m")),
        ('{"errors": [{"code": "c", "message": "m"}, {}]}', Failure(None, "c", "m")),
        ('[{"error": {"message": "m"}}]', Failure(None, None, "m")),
        ('{"error": {"type": 7.5, "code": true, "message": ["m"]}}', Failure(None, None, None)),
        ('{"error": {"code": "' + "c" * 500 + '"}}', Failure(None, "c" * MAX_WORD, None)),
        ('{"ok": true}', None),
        ("[]", None),
        ("no JSON", None),
        ("", None),
    ],
)
def test_errors_are_read_in_the_shapes_that_providers_use(body, failure):
    assert read_failure(body.encode()) == failure


def test_an_error_type_from_elsewhere_stands_in_for_a_missing_one():
    assert read_failure(b'{"message": "m"}', "ThrottlingException") == Failure(
        "ThrottlingException", None, "m"
    )
    assert read_failure(b"", "ThrottlingException") == Failure("ThrottlingException", None, None)
    assert read_failure(b'{"error": {"type": "own"}}', "other") == Failure("own", None, None)


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        (b"", None),
        (b"null", None),
        (b'"m"', Failure(None, None, "m")),
        (b'{"message": "m"}', Failure(None, None, "m")),
        (b"[1]", Failure(None, None, None)),
    ],
)
def test_a_frames_error_member_is_read_or_is_none(raw, failure):
    assert failure_of(msgspec.Raw(raw)) == failure


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b' {"error": {"message": "m"}}', "m"),
        (b'{"error": null}', None),
        (b'{"text": "error"}', None),
        (b'["error"]', None),
    ],
)
def test_a_document_that_is_an_error_is_told_from_one_that_speaks_of_it(body, message):
    found = error_document(body)

    assert (found and found.message) == message


@given(st.binary())
def test_reading_a_failure_never_raises(body):
    assert read_failure(body) is None or body
    assert failure_of(msgspec.Raw(body)) is None or body
