"""Server tap for Flask, under werkzeug's server: the contract, and what only Flask does."""

from __future__ import annotations

import flask
import pytest
from instrumentation.server_contract import ServerContract
from serving import werkzeug_server


def application(acts):
    app = flask.Flask("gateway")

    @app.post("/<path:path>")
    def answer(path):
        request = flask.request
        act, body = request.headers["x-act"], request.get_data()
        return flask.Response(acts.sync(act, body), headers=acts.head(act))

    return app


class TestFlask(ServerContract):
    @staticmethod
    def serve(acts):
        return werkzeug_server(application(acts))


class TestMiddleware(ServerContract):
    """The usual way to put WSGI middleware around a Flask application."""

    @staticmethod
    def serve(acts):
        app = application(acts)
        inner = app.wsgi_app

        def middleware(environ, start_response):
            yield from inner(environ, start_response)

        app.wsgi_app = middleware
        return werkzeug_server(app)


class TestContext(ServerContract):
    """Generators that hold the request context open while they stream."""

    @staticmethod
    def serve(acts):
        app = flask.Flask("gateway")

        @app.post("/<path:path>")
        def answer(path):
            act, body = flask.request.headers["x-act"], flask.request.get_data()
            return flask.Response(flask.stream_with_context(acts.sync(act, body)), headers=acts.head(act))

        return werkzeug_server(app)


@pytest.fixture(autouse=True)
def quiet(caplog):
    """werkzeug logs each request."""
    caplog.set_level("CRITICAL", "werkzeug")
