"""aiohttp on both sides: python aiohttp_web.py PORT."""

from __future__ import annotations

import os
import sys

import aiohttp
from aiohttp import web


async def session(app):
    async with aiohttp.ClientSession(os.environ["PROVIDER"]) as client:
        app["client"] = client
        yield


async def health(_):
    return web.json_response({})


async def forward(request):
    async with request.app["client"].post(request.path, data=await request.read()) as answer:
        out = web.StreamResponse(status=answer.status)
        out.content_type = answer.content_type
        await out.prepare(request)
        async for chunk in answer.content.iter_any():
            await out.write(chunk)
        await out.write_eof()
        return out


def made():
    app = web.Application()
    app.cleanup_ctx.append(session)
    app.add_routes([web.get("/health", health), web.post("/v1/{path:.*}", forward)])
    return app


if __name__ == "__main__":
    # Without `handler_cancellation` a handler hears of a caller who left when it writes again.
    web.run_app(made(), host="127.0.0.1", port=int(sys.argv[1]), handler_cancellation=True, print=None)
