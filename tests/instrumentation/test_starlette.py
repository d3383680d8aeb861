"""Server tap for Starlette and FastAPI, under uvicorn: the contract, and what only ASGI does."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from instrumentation.server_contract import ServerContract
from serving import uvicorn_server
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route

EVERY_PATH = "/{path:path}"


def endpoint(acts, *, threaded=False):
    async def answer(request):
        act, body = request.headers["x-act"], await request.body()
        generate = acts.sync if threaded else acts.asynchronous
        return StreamingResponse(generate(act, body), headers=acts.head(act))

    return answer


def routes(acts, **options):
    return [Route(EVERY_PATH, endpoint(acts, **options), methods=["POST"])]


class TestStarlette(ServerContract):
    @staticmethod
    def serve(acts):
        return uvicorn_server(Starlette(routes=routes(acts)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
class TestThreads(ServerContract):
    """Synchronous generators, which Starlette runs in threads.

    On a hang-up it leaves them, and the connections they hold, to the garbage collector.
    """

    @staticmethod
    def serve(acts):
        return uvicorn_server(Starlette(routes=routes(acts, threaded=True)))


class TestMiddleware(ServerContract):
    """`BaseHTTPMiddleware` ends a truncated answer as if it were whole."""

    @staticmethod
    def serve(acts):
        async def pass_on(request, call_next):
            return await call_next(request)

        middleware = [Middleware(BaseHTTPMiddleware, dispatch=pass_on)]
        return uvicorn_server(Starlette(routes=routes(acts), middleware=middleware))


class TestFastAPI(ServerContract):
    @staticmethod
    def serve(acts):
        app = FastAPI()
        app.add_route(EVERY_PATH, endpoint(acts), methods=["POST"])
        return uvicorn_server(app)


class TestMounted(ServerContract):
    """An application inside another is one call."""

    @staticmethod
    def serve(acts):
        inner = Starlette(routes=routes(acts))
        return uvicorn_server(Starlette(routes=[Mount("/", app=inner)]))
