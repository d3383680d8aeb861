"""The WSGI server tap: the application runs as it is, and each step of its answer inside its call."""

from __future__ import annotations

import io
import json
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from provider import CHAT, COMPLETION, TEXT
from watching import watching

from otel_stream import call, served
from otel_stream.wsgi import StreamWSGIMiddleware

BODY = json.dumps({"model": "gpt-5", "stream": True, "metadata": {"agent_type": "planner"}}).encode()
HEAD = ("200 OK", [("Content-Type", "text/event-stream"), ("Content-Type", "text/plain")])


@pytest.fixture
def watched():
    with watching() as watched:
        yield watched


def environ(**changes):
    plain = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/chat/completions",
        "CONTENT_TYPE": "application/json",
        "HTTP_X_AGENT_TYPE": "coder",
        "wsgi.input": io.BytesIO(BODY),
    }
    setup_testing_defaults(plain)
    return plain | changes


class Server:
    """The near side of a WSGI application."""

    def __init__(self):
        self.head = None
        self.written = []

    def start_response(self, status, headers, *error):
        self.head = (status, headers, *error)
        return self.written.append


def streaming(chunks=CHAT, seen=None, read=lambda stream: stream.read()):
    def app(environ, start_response):
        read(environ["wsgi.input"])
        if seen is not None:
            seen.append(call.current())
        start_response(*HEAD)
        return steps()

    def steps():
        for chunk in chunks:
            if seen is not None:
                seen.append(call.current())
            yield chunk

    return app


def run(app, request=None):
    server = Server()
    body = StreamWSGIMiddleware(app)(request or environ(), server.start_response)
    got = list(body)
    getattr(body, "close", lambda: None)()
    return server, got


def test_chunks_pass_as_the_very_same_objects(watched):
    server, got = run(streaming())

    assert [id(chunk) for chunk in got] == [id(chunk) for chunk in CHAT]
    assert (server.head, watched.outcomes, watched.text) == (HEAD, ["completed"], TEXT)


def test_every_step_runs_inside_the_call_and_the_server_outside(watched):
    seen = []
    server = Server()
    body = StreamWSGIMiddleware(streaming(seen=seen))(environ(), server.start_response)
    between = [call.current() for _ in body]
    body.close()

    assert {asked.who.agent_type for asked in seen} == {"coder"}
    assert (len(seen), set(between), call.current()) == (len(CHAT) + 1, {None}, None)


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: stream.read(),
        lambda stream: stream.read(len(BODY)),
        lambda stream: stream.readline(),
        lambda stream: stream.readlines(),
        list,
        lambda stream: stream.readinto(bytearray(1000)),
    ],
    ids=["read", "read some", "readline", "readlines", "iterate", "readinto"],
)
def test_the_body_is_noted_however_it_is_read(watched, read):
    run(streaming(read=read), environ(HTTP_X_AGENT_TYPE=""))
    (started,) = watched.started

    assert (started.agent_type, started.model) == ("planner", "gpt-5")


def test_the_input_of_other_methods_stays_what_it_is(watched):
    stream = io.BytesIO()
    given = []
    run(streaming(read=given.append), environ(REQUEST_METHOD="GET", **{"wsgi.input": stream}))

    assert given == [stream]


def test_a_body_beyond_the_cap_passes_without_being_noted(watched, monkeypatch):
    monkeypatch.setattr(served, "MAX_BODY_BYTES", 10)
    run(streaming(read=lambda stream: [stream.read(8), stream.read(8), stream.read()]))

    assert watched.started[0].model == "unknown"


def test_the_input_keeps_its_other_methods(watched):
    run(streaming(read=lambda stream: stream.seek(0) == stream.tell() or stream.read()))

    assert watched.outcomes == ["completed"]


def test_an_answer_in_a_list_stays_that_list(watched):
    chunks = [COMPLETION]

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        return chunks

    server = Server()
    body = StreamWSGIMiddleware(app)(environ(), server.start_response)

    assert (body is chunks, watched.outcomes) == (True, ["completed"])


def test_an_ordinary_answer_in_a_list_is_not_looked_at(watched):
    def app(environ, start_response):
        start_response("404 Not Found", [])
        return [b"nothing", b"here"]

    run(app)

    assert watched.events == []


def test_what_is_written_counts_as_well(watched):
    def app(environ, start_response):
        write = start_response(*HEAD)
        for chunk in CHAT:
            write(chunk)
        return []

    server, _ = run(app)

    assert (server.written, watched.outcomes) == (list(CHAT), ["completed"])


def test_what_is_written_of_an_ordinary_answer_only_passes(watched):
    def app(environ, start_response):
        start_response("500 Oh", [])(b"no")
        return iter(())

    server, _ = run(app)

    assert (server.written, watched.events) == ([b"no"], [])


def test_a_body_closed_before_its_end_is_a_hang_up(watched):
    closed, server = [], Server()

    class Body:
        def __iter__(self):
            return iter(CHAT[:3])

        def close(self):
            closed.append(call.current())

    def app(environ, start_response):
        start_response(*HEAD)
        return Body()

    body = StreamWSGIMiddleware(app)(environ(), server.start_response)
    steps = iter(body)
    next(steps)
    next(steps)
    body.close()

    assert (len(closed), closed[0].hung_up, watched.outcomes) == (1, True, ["cancelled"])


def test_a_body_nobody_closes_ends_too(watched):
    server = Server()
    body = StreamWSGIMiddleware(streaming())(environ(), server.start_response)
    next(body)
    next(body)
    del body
    watched.settle()

    assert watched.outcomes == ["cancelled"]


def test_errors_are_the_very_same_objects(watched):
    error = RuntimeError("theirs")

    def app(environ, start_response):
        raise error

    def failing(environ, start_response):
        start_response(*HEAD)
        return fail()

    def fail():
        yield from CHAT[:2]
        raise error

    with pytest.raises(RuntimeError) as at_once:
        run(app)
    with pytest.raises(RuntimeError) as later:
        run(failing)

    assert (at_once.value is error, later.value is error, watched.outcomes) == (True, True, ["error"])


def test_an_error_while_closing_is_the_hosts_own(watched):
    class Body:
        def __iter__(self):
            return iter(CHAT)

        def close(self):
            raise OSError("theirs")

    def app(environ, start_response):
        start_response(*HEAD)
        return Body()

    with pytest.raises(OSError, match="theirs"):
        run(app)

    assert watched.outcomes == ["completed"]


def test_errors_handed_to_the_server_pass(watched):
    details = (ValueError, ValueError("theirs"), None)

    def app(environ, start_response):
        start_response("500 Oh", [], details)
        return []

    server, _ = run(app)

    assert server.head == ("500 Oh", [], details)


def test_files_are_still_files_for_the_server(watched):
    def app(environ, start_response):
        start_response("200 OK", [])
        return FileWrapper(io.BytesIO(b"file"))

    server = Server()
    body = StreamWSGIMiddleware(app)(environ(), server.start_response)

    assert (isinstance(body, FileWrapper), body.filelike.read()) == (True, b"file")
    body.close()


def test_without_instrumentation_it_only_passes_on():
    seen = []
    _, got = run(streaming(seen=seen))

    assert (got, set(seen)) == (list(CHAT), {None})


def test_suppression_is_respected(watched):
    seen = []
    with suppress_instrumentation():
        run(streaming(seen=seen))

    assert set(seen) == {None}


def test_one_inside_another_is_one_call_under_the_inner_servers_span(watched):
    tracer = TracerProvider().get_tracer("server")
    inner = StreamWSGIMiddleware(streaming())
    spans = []

    def spanned(environ, start_response):
        with tracer.start_as_current_span("server") as span:
            spans.append(span)
            return inner(environ, start_response)

    run(spanned)

    assert (len(watched.started), watched.outcomes) == (1, ["completed"])
    assert watched.spans[0].parent.span_id == spans[0].get_span_context().span_id


@pytest.mark.usefixtures("swallow")
def test_odd_heads_are_the_servers_business(watched):
    def app(environ, start_response):
        start_response("odd", [])
        return []

    server, _ = run(app)

    assert server.head == ("odd", [])


def test_addresses_and_queries_are_put_together(watched):
    run(streaming(), environ(SCRIPT_NAME="/mounted", QUERY_STRING="beta=true", HTTP_HOST=""))

    assert watched.started[0].model == "gpt-5"
