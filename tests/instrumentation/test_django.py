"""Server tap for Django, by WSGI and by ASGI: the contract."""

from __future__ import annotations

import django
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import StreamingHttpResponse
from django.urls import re_path
from instrumentation.server_contract import ServerContract
from serving import uvicorn_server, werkzeug_server

urlpatterns = []


@pytest.fixture(scope="module", autouse=True)
def configured():
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="test", LOGGING_CONFIG=None)
    django.setup()


def answer_with(acts, *, asynchronous):
    """Put a view in for all paths that answers with what the caller wants done."""

    def view(request, path):
        act = request.headers["x-act"]
        return StreamingHttpResponse(acts.sync(act, request.body), headers=acts.head(act))

    async def asynchronous_view(request, path):
        act = request.headers["x-act"]
        return StreamingHttpResponse(acts.asynchronous(act, request.body), headers=acts.head(act))

    urlpatterns[:] = [re_path("^(?P<path>.*)$", asynchronous_view if asynchronous else view)]


class TestWSGI(ServerContract):
    @staticmethod
    def serve(acts):
        answer_with(acts, asynchronous=False)
        return werkzeug_server(WSGIHandler())


class TestASGI(ServerContract):
    @staticmethod
    def serve(acts):
        answer_with(acts, asynchronous=True)
        return uvicorn_server(ASGIHandler())
