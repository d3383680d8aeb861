"""The demo's gateway is an ordinary one: it passes requests on, tries again once, and knows nothing of us."""

from __future__ import annotations

import ast
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from otel_stream.demo import gateway_app


@pytest.fixture
def upstream(serve, monkeypatch):
    """A provider that answers with what is put into `answers`, and keeps what it was asked."""
    answers, asked = [], []

    async def answer(request):
        asked.append((request.url.path, dict(request.headers), await request.body()))
        return answers.pop(0)

    app = Starlette(routes=[Route(path, answer, methods=["POST"]) for path in gateway_app.UPSTREAMS])
    url = serve(app)
    monkeypatch.setattr(gateway_app, "UPSTREAMS", dict.fromkeys(gateway_app.UPSTREAMS, url))
    return answers, asked


@pytest.fixture
def gateway(serve, upstream):
    with httpx2.Client(base_url=serve(gateway_app.app), timeout=30) as client:
        yield client


def event_stream(body: bytes) -> Response:
    return Response(body, headers={"content-type": "text/event-stream", "x-internal": "1"})


def test_it_imports_nothing_of_ours():
    tree = ast.parse(Path(gateway_app.__file__).read_text("utf-8"))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]

    assert not [name for name in imported if name.startswith(("otel_stream", "opentelemetry"))]


@pytest.mark.parametrize("path", gateway_app.UPSTREAMS)
def test_request_and_answer_are_passed_on(upstream, gateway, path):
    answers, asked = upstream
    answers.append(event_stream(b"data: 1\n\n"))

    answer = gateway.post(path, content=b'{"model":"m"}', headers={"x-api-key": "k", "x-tenant-id": "acme"})

    ((at, headers, body),) = asked
    assert (at, headers["x-api-key"], body) == (path, "k", b'{"model":"m"}')
    assert "x-tenant-id" not in headers
    assert (answer.status_code, answer.content) == (200, b"data: 1\n\n")
    assert answer.headers["content-type"] == "text/event-stream"
    assert "x-internal" not in answer.headers


def test_a_busy_provider_is_asked_once_more(upstream, gateway):
    answers, asked = upstream
    answers += [Response(status_code=429, headers={"retry-after": "0"}), event_stream(b"data: 2\n\n")]

    assert gateway.post("/v1/messages", json={}).content == b"data: 2\n\n"
    assert len(asked) == 2


def test_after_the_second_refusal_the_caller_gets_it(upstream, gateway):
    answers, _ = upstream
    answers += [Response(b"busy", status_code=529, headers={"retry-after": "0"}) for _ in range(2)]

    answer = gateway.post("/v1/messages", json={})

    assert (answer.status_code, answer.content) == (529, b"busy")


def test_it_says_that_it_is_up(gateway):
    assert gateway.get("/healthz").json() == {"status": "ok"}
