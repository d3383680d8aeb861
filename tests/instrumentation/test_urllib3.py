"""Client tap for urllib3 and what rides on it: the contract, and what only this library does."""

from __future__ import annotations

import contextlib
import gc
import gzip
import http.server
import threading

import pytest
import requests
import urllib3
from instrumentation.contract import CHAT_REQUEST, Ask, ClientContract, Got
from provider import CHAT, TEXT, Answer, document
from watching import watching


def nothing():
    """Nothing to do meanwhile."""


class Urllib3:
    def open(self, pool, ask):
        return pool.request(
            "POST",
            ask.url,
            body=ask.body,
            headers=ask.headers,
            preload_content=False,
            retries=urllib3.Retry(connect=False, read=False, other=False, redirect=3),
            timeout=urllib3.Timeout(read=ask.timeout),
        )

    def read(self, ask, meanwhile=nothing):
        status, chunks = None, []
        with urllib3.PoolManager() as pool:
            try:
                response = self.open(pool, ask)
                status = response.status
                meanwhile()
                for chunk in response.stream(decode_content=False):
                    chunks.append(chunk)  # noqa: PERF402 - what came before an error counts
            except urllib3.exceptions.HTTPError as error:
                return Got(status, b"".join(chunks), _comparable(error), type(error))
        return Got(status, b"".join(chunks))

    def part(self, ask, close):
        with urllib3.PoolManager() as pool:
            response = self.open(pool, ask)
            chunks = response.stream()
            next(chunks)
            if close:
                response.close()
            del chunks, response
            gc.collect()

    def unread(self, ask, close, meanwhile=nothing):
        with urllib3.PoolManager() as pool:
            response = self.open(pool, ask)
            meanwhile()
            if close:
                response.close()
            del response
            gc.collect()


class Requests:
    def open(self, session, ask):
        return session.post(ask.url, data=ask.body, headers=ask.headers, stream=True, timeout=ask.timeout)

    def read(self, ask, meanwhile=nothing):
        status, chunks = None, []
        with requests.Session() as session:
            try:
                response = self.open(session, ask)
                status = response.status_code
                meanwhile()
                for chunk in response.raw.stream(decode_content=False):
                    chunks.append(chunk)  # noqa: PERF402
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                return Got(status, b"".join(chunks), _comparable(error), type(error))
        return Got(status, b"".join(chunks))

    def part(self, ask, close):
        with requests.Session() as session:
            response = self.open(session, ask)
            chunks = response.iter_content(None)
            next(chunks)
            if close:
                response.close()
            del chunks, response
            gc.collect()

    def unread(self, ask, close, meanwhile=nothing):
        with requests.Session() as session:
            response = self.open(session, ask)
            meanwhile()
            if close:
                response.close()
            del response
            gc.collect()


def _comparable(error):
    """The message without the addresses of objects."""
    return str(error).split(" object at ")[0]


class TestUrllib3(ClientContract):
    @pytest.fixture
    def client(self):
        return Urllib3()


class TestRequests(ClientContract):
    @pytest.fixture
    def client(self):
        return Requests()


# -- what only this library does


@pytest.fixture
def pool():
    with urllib3.PoolManager() as pool:
        yield pool


def post(pool, url, **options):
    return pool.request("POST", url, json=CHAT_REQUEST, **options)


def by_line(response):
    return b"".join(response)


def in_pieces(response):
    got = b""
    while piece := response.read(7):
        got += piece
    return got


def piece_by_piece(response):
    got = b""
    while piece := response.read1():
        got += piece
    return got


def as_a_file(response):
    buffer, got = bytearray(16), b""
    while count := response.readinto(buffer):
        got += buffer[:count]
    return got


@pytest.mark.parametrize(
    "read",
    [
        lambda response: response.read(),
        lambda response: response.data,
        lambda response: b"".join(response.stream(10)),
        lambda response: b"".join(response.read_chunked()),
        by_line,
        in_pieces,
        piece_by_piece,
        as_a_file,
    ],
    ids=["read", "data", "stream", "read_chunked", "lines", "pieces", "read1", "readinto"],
)
def test_every_way_of_reading_is_watched(provider, watched, pool, read):
    got = read(post(pool, provider.url(), preload_content=False))

    assert (got, watched.outcomes, watched.text) == (b"".join(CHAT), ["completed"], TEXT)


@pytest.mark.parametrize("decoded", [True, False])
@pytest.mark.parametrize("preload", [True, False])
def test_compressed_answers_are_read_whether_the_host_decodes_or_not(
    provider, watched, pool, decoded, preload
):
    """requests opens with `decode_content=False` and decodes later, read by read."""
    body = b"".join(CHAT)
    provider.answer = Answer(
        (gzip.compress(body),), headers={"content-type": "text/event-stream", "content-encoding": "gzip"}
    )
    response = post(pool, provider.url(), preload_content=preload, decode_content=decoded)
    got = response.data

    assert (got if decoded else gzip.decompress(got), watched.outcomes, watched.text) == (
        body, ["completed"], TEXT,
    )  # fmt: skip


def test_requests_decodes_as_without_us(provider, watched):
    provider.answer = Answer(
        (gzip.compress(b"".join(CHAT)),),
        headers={"content-type": "text/event-stream", "content-encoding": "gzip"},
    )
    with requests.post(provider.url(), json=CHAT_REQUEST, stream=True, timeout=30) as response:
        got = b"".join(response.iter_content(64))

    assert (got, watched.outcomes) == (b"".join(CHAT), ["completed"])


def test_an_answer_asked_for_whole_is_read_at_once(provider, watched, pool):
    provider.answer = document()
    answer = post(pool, provider.url()).json()

    assert (answer["id"], watched.outcomes) == ("chatcmpl-2", ["completed"])


@contextlib.contextmanager
def of_known_length(body, length):
    """A server that announces a length, answers once and closes; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
        thread.join()


def test_answers_of_known_length_end_with_their_last_byte(watched, pool):
    """Nobody reads on to get the empty piece at the end."""
    body = b"".join(CHAT)
    with of_known_length(body, len(body)) as url:
        response = post(pool, url, preload_content=False)
        response.read(len(body))

    assert watched.outcomes == ["completed"]


def test_an_answer_shorter_than_announced_is_an_error_for_the_host_and_for_us(watched, pool):
    with of_known_length(CHAT[0], 1000) as url:
        response = post(pool, url, preload_content=False)
        with pytest.raises(urllib3.exceptions.ProtocolError):
            response.read(1000)

    assert watched.outcomes == ["error"]


def test_whole_addresses_are_understood(provider, watched):
    """As pools get them that talk to a proxy."""
    with urllib3.HTTPConnectionPool("127.0.0.1", provider.port) as pool:
        pool.urlopen("POST", provider.url(), body=Ask("").body)

    assert watched.outcomes == ["completed"]


def test_a_watched_response_is_of_the_librarys_class(provider, watched, pool):
    response = post(pool, provider.url(), preload_content=False)

    assert isinstance(response, urllib3.HTTPResponse)
    assert f"{type(response).__module__}.{type(response).__name__}" == "urllib3.response.HTTPResponse"
    response.read()


def test_the_librarys_own_retries_are_one_call(provider, watched, pool):
    provider.answer = document(b"{}", 503)
    retries = urllib3.Retry(2, status_forcelist=[503], allowed_methods=None, raise_on_status=False)
    response = post(pool, provider.url(), retries=retries)

    assert (response.status, len(provider.requests), watched.outcomes) == (503, 3, ["error"])


def test_a_timeout_behind_retries_is_still_one(provider, watched, pool):
    provider.answer = Answer(hold_after=0)
    provider.routes["/v1/chat/completions"] = Answer(hold_after=0)
    with pytest.raises(urllib3.exceptions.HTTPError):
        post(pool, provider.url(), retries=0, timeout=0.1)

    assert watched.outcomes == ["timeout"]


def test_a_redirect_that_is_not_followed_ends_the_stream(provider, watched, pool):
    provider.answer = Answer((), 307, {"location": "/elsewhere", "content-type": "text/plain"})
    response = post(pool, provider.url(), redirect=False)
    status = response.status
    del response
    watched.settle()

    assert (status, watched.outcomes) == (307, ["abandoned"])


def test_another_request_does_not_take_up_a_redirected_stream(provider, watched, pool):
    provider.routes["/v1/chat/completions"] = Answer(
        (), 307, {"location": "/elsewhere", "content-type": "text/plain"}
    )
    held = post(pool, provider.url(), redirect=False)
    post(pool, provider.url("/v2/v1/chat/completions"))
    del held
    watched.settle()

    assert sorted(watched.outcomes) == ["abandoned", "completed"]


def test_a_redirect_followed_after_its_answer_is_gone_is_a_call_of_its_own(provider, watched, pool):
    provider.routes["/v1/chat/completions"] = Answer(
        (), 307, {"location": "/v2/v1/chat/completions", "content-type": "text/plain"}
    )
    post(pool, provider.url(), redirect=False)
    watched.settle()
    post(pool, provider.url("/v2/v1/chat/completions"))

    assert sorted(watched.outcomes) == ["abandoned", "completed"]


@pytest.mark.parametrize(
    ("body", "model"),
    [(b'{"model": "gpt-5"}', "gpt-5"), ('{"model": "gpt-5"}', "gpt-5"), (iter([b"{}"]), "unknown")],
    ids=["bytes", "text", "iterator"],
)
def test_the_request_is_read_where_it_is_there(provider, watched, pool, body, model):
    provider.answer = document()
    length = "18" if model == "gpt-5" else "2"
    pool.request("POST", provider.url(), body=body, headers={"content-length": length})

    assert watched.started[0].model == model


def test_the_pools_own_headers_are_sent_along_with_the_trace_context(provider):
    with (
        watching(propagate_hosts=("*",)),
        urllib3.HTTPConnectionPool("127.0.0.1", provider.port, headers={"x-pool": "1"}) as pool,
    ):
        pool.urlopen("POST", "/v1/chat/completions", body=Ask("").body)
    (request,) = provider.requests

    assert (request.headers["x-pool"], "traceparent" in request.headers) == ("1", True)
