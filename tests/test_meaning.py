"""Requests as a tap sees them."""

from __future__ import annotations

import pytest

from otel_stream.meaning import Request


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


def test_text_that_was_cut_in_the_middle_of_an_emoji_hides_nothing_else():
    """Servers in Python read it, and providers may be sent it."""
    body = rb'{"model": "m", "messages": [{"content": "\ud83d"}], "stream": true}'
    request = Request("POST", "http://h/", {}, body)

    assert (request.get("model", str), request.get("stream", bool)) == ("m", True)


def test_a_prompt_is_counted_without_its_pictures():
    picture = "A" * 4000
    plain = Request("POST", "http://h/", {}, b'{"model": "m", "messages": [{"content": "Hello"}]}')
    seen = Request("POST", "http://h/", {}, f'{{"messages": ["data:image/png;base64,{picture}"]}}'.encode())

    assert plain.prompt_characters == len('[{"content": "Hello"}]')
    assert seen.prompt_characters < 100
