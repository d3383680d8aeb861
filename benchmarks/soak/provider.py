"""The soak's provider: answers as planned, fails as planned, and writes down how each answer ended.

A process of its own: `python -m benchmarks.soak.provider --port 8401 --gap 0.2`. /ledger tells what it wrote
down, /status how it goes. A bare ASGI application: it has to be cheap beside the gateway it tests.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from benchmarks.soak import plan
from otel_stream.demo.provider import ERROR_FRAMES, REFUSALS, Cut

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

THINKING_SECONDS = (0.05, 0.8)  # before the first piece
KEEP_ALIVE_SECONDS = 60  # longer than the gateway's pool, or a connection might be closed as it is taken up
REFUSED = {"type": "invalid_request_error", "message": "max_tokens is too large", "code": None, "param": None}
GZIP = 31  # zlib's window bits for it


class Connections(H11Protocol):
    """uvicorn's protocol, with a way to reset a connection."""

    open: dict[tuple[str, int], asyncio.Transport] = {}  # noqa: RUF012 - all of this process's

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        super().connection_made(transport)
        self.open[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.pop(self.transport.get_extra_info("peername"), None)
        super().connection_lost(exc)

    @classmethod
    def reset(cls, client: tuple[str, int]) -> None:
        transport = cls.open[client]
        held = transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class Provider:
    """An ASGI application. `gap_seconds` is the mean pause between the pieces of an answer."""

    def __init__(self, gap_seconds: float) -> None:
        self.rows: list[tuple[str, str]] = []
        self.open = 0
        self.pieces = 0
        self._gap = gap_seconds
        self._refused: set[str] = set()
        self._arrived: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._left: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        match scope["path"].strip("/").split("/"):
            case ["v1", *_]:
                await self._answer(scope, receive, send)
            case ["ledger"]:
                await _tell(send, {"open": self.open, "rows": self.rows})
            case ["status"]:
                await _tell(send, {"open": self.open, "ended": len(self.rows), "pieces": self.pieces})
            case ["arrived", name]:
                await self._arrived[name].wait()
                await _tell(send, {})
            case ["left", name]:
                del self._arrived[name]
                self._left[name].set()
                await _tell(send, {})
            case _:
                await _tell(send, {}, 404)

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        name = plan.name_of(msgspec.json.decode(await _body(receive), type=dict[str, Any]))
        if name is None:
            await _tell(send, {"error": REFUSED}, 400)
            return
        how = await self._until_gone(receive, self._conduct(plan.call(name), send))
        self.rows.append((name, how))
        if how == "cut":
            raise Cut
        if how == "reset":
            Connections.reset(tuple(scope["client"]))

    async def _until_gone(self, receive: Receive, conduct: Awaitable[str]) -> str:
        """Do as planned until it is done or the gateway hangs up; return how it ended."""
        work, gone = asyncio.ensure_future(conduct), asyncio.ensure_future(_disconnect(receive))
        self.open += 1
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else "gone"
        finally:
            self.open -= 1
            work.cancel()
            gone.cancel()

    async def _conduct(self, call: plan.Call, send: Send) -> str:
        """Return the word for the ledger."""
        if call.conduct == "refused":
            return await _refuse(send, 400, REFUSED)
        refusal = REFUSALS[call.recording.api].get(call.conduct)
        if refusal is not None and call.name not in self._refused:
            self._refused.add(call.name)
            return await _refuse(send, *refusal)
        self._refused.discard(call.name)
        if call.conduct == "leaves_early":
            self._arrived[call.name].set()
            await self._left[call.name].wait()
            del self._left[call.name]
        await self._stream(call, send)
        if call.conduct in ("leaves", "leaves_early", "stalled"):
            await asyncio.Event().wait()
        if call.conduct not in ("cut", "reset"):
            await send({"type": "http.response.body", "body": b""})
        return "whole" if call.conduct in plan.FINISHING else call.conduct

    async def _stream(self, call: plan.Call, send: Send) -> None:
        coding = [(b"content-encoding", b"gzip")] if call.gzipped else []
        headers = [(name.encode(), value.encode()) for name, value in call.recording.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers + coding})
        packer = zlib.compressobj(wbits=GZIP) if call.gzipped else None
        async for piece in self._paced(call):
            self.pieces += 1
            packed = packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) if packer else piece
            await send({"type": "http.response.body", "body": packed, "more_body": True})
        if packer is not None and call.conduct in (*plan.FINISHING, "error", "incomplete"):
            await send({"type": "http.response.body", "body": packer.flush(), "more_body": True})

    async def _paced(self, call: plan.Call) -> AsyncIterator[bytes]:
        pieces = call.pieces()
        if call.conduct == "error":
            pieces.append(ERROR_FRAMES[call.recording.api])
        await asyncio.sleep(call.chance.uniform(*THINKING_SECONDS))
        for piece in pieces:
            yield piece
            await asyncio.sleep(self._gap * call.chance.uniform(0.2, 1.8))


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int, error: dict[str, Any]) -> str:
    await _tell(send, {"type": "error", "error": error}, status)
    return str(status)


async def _tell(send: Send, what: Any, status: int = 200) -> None:
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(what)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gap", type=float, required=True)
    options = parser.parse_args()
    uvicorn.run(
        Provider(options.gap),
        host="127.0.0.1",
        port=options.port,
        http=Connections,
        lifespan="off",
        log_level="critical",  # a connection that is cut is an error to the server; here it is the point
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
