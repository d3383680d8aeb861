"""Reads recorded HTTP exchanges from a file: a HAR archive, a response with its head, or a body alone. Pure.

http://www.softwareishard.com/blog/har-12-spec/ describes HAR; browsers and mitmproxy write it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

UNKNOWN_URL = "https://unknown.invalid/"
"""Where nobody told the URL: the format is then found by the first frame."""


class Exchange(msgspec.Struct, frozen=True):
    """A request, as far as it is known, and the response to it. Header names are lower-case."""

    url: str
    body: bytes
    method: str = "POST"
    request_headers: dict[str, str] = {}
    request_body: bytes | None = None
    status: int = 200
    headers: dict[str, str] = {}


class UnreadableError(ValueError):
    """The file is none of the kinds that are understood; the message says why."""


class _Pair(msgspec.Struct):
    name: str
    value: str = ""


class _PostData(msgspec.Struct):
    text: str = ""


class _Request(msgspec.Struct):
    url: str
    method: str = "GET"
    headers: list[_Pair] = []
    postData: _PostData | None = None  # noqa: N815 - HAR's word


class _Content(msgspec.Struct):
    text: str = ""
    encoding: str = ""
    mimeType: str = ""  # noqa: N815 - HAR's word


class _Response(msgspec.Struct):
    status: int = 200
    headers: list[_Pair] = []
    content: _Content = msgspec.field(default_factory=_Content)


class _Entry(msgspec.Struct):
    request: _Request
    response: _Response


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


def read(data: bytes, url: str = "", request_body: bytes | None = None) -> list[Exchange]:
    """Return the exchanges a file holds. `url` and `request_body` are for files that do not tell them.

    Raises: UnreadableError.
    """
    if data.startswith(b"HTTP/"):
        return [_with_head(data, url, request_body)]
    if data.lstrip()[:1] == b"{" and b'"log"' in data and b'"entries"' in data:
        return _from_har(data)
    kind = {"content-type": _kind_of(data)}
    return [Exchange(url or UNKNOWN_URL, data, request_body=request_body, headers=kind)]


def _kind_of(body: bytes) -> str:
    """Return the content type of a body that came without its head."""
    if body.lstrip()[:1] in (b"{", b"["):
        return "application/json"
    return "application/vnd.amazon.eventstream" if body[:1] == b"\0" else "text/event-stream"


def _with_head(data: bytes, url: str, request_body: bytes | None) -> Exchange:
    """Read what `curl -i` writes; of several heads (redirects, 100 Continue) the last counts."""
    while True:
        head, found, rest = _split(data)
        if not found:
            raise UnreadableError("the response's head does not end")
        if not rest.startswith(b"HTTP/"):
            break
        data = rest
    first, *lines = head.decode("latin-1").splitlines()
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Exchange(
        url or UNKNOWN_URL, rest, request_body=request_body, status=_status(first), headers=_plain(headers)
    )


def _split(data: bytes) -> tuple[bytes, bool, bytes]:
    for end in (b"\r\n\r\n", b"\n\n"):
        head, found, rest = data.partition(end)
        if found:
            return head, True, rest
    return data, False, b""


def _status(line: str) -> int:
    _, _, rest = line.partition(" ")
    number = rest.partition(" ")[0]
    if not (number.isascii() and number.isdecimal()):
        raise UnreadableError(f"no status in {line[:60]!r}")
    return int(number)


def _plain(headers: dict[str, str]) -> dict[str, str]:
    """Leave out what the transfer added: the body of a recording is decoded already."""
    return {
        name: value for name, value in headers.items() if name not in ("transfer-encoding", "content-length")
    }


def _from_har(data: bytes) -> list[Exchange]:
    try:
        har = msgspec.json.decode(data, type=_Har)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"no HAR archive: {error}") from error
    return [_exchange(entry) for entry in har.log.entries]


def _exchange(entry: _Entry) -> Exchange:
    asked, answer = entry.request, entry.response
    headers = _plain(_headers(answer.headers))
    headers.pop("content-encoding", None)  # what an archive holds is decoded
    headers.setdefault("content-type", answer.content.mimeType)
    return Exchange(
        asked.url,
        _content(answer.content),
        asked.method,
        _headers(asked.headers),
        asked.postData.text.encode("utf-8", "replace") if asked.postData is not None else None,
        answer.status,
        headers,
    )


def _headers(pairs: list[_Pair]) -> dict[str, str]:
    return {pair.name.lower(): pair.value for pair in pairs}


def _content(content: _Content) -> bytes:
    if content.encoding != "base64":
        return content.text.encode("utf-8", "replace")
    try:
        return base64.b64decode(content.text)
    except binascii.Error as error:
        raise UnreadableError(f"a body is no base64: {error}") from error


def as_json(body: bytes | None) -> Any:
    """Return the JSON value of a request's body; None when it has none."""
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
