"""A provider on loopback that does on the wire what a test asks for: chunk by chunk, hold, cut, reset."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
TEXT = "Hello, world"


def sse(*payloads):
    return [b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads]


def chat_chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-5-2025",
        "choices": choices,
    } | more


USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
CHAT = (
    *sse(
        chat_chunk({"role": "assistant", "content": ""}),
        chat_chunk({"content": "Hello"}),
        chat_chunk({"content": ", world"}),
        chat_chunk({}, "stop"),
        chat_chunk(usage=USAGE),
    ),
    b"data: [DONE]\n\n",
)
"""A whole answer; the text is in the second and third chunk."""

COMPLETION = json.dumps({
    "id": "chatcmpl-2",
    "object": "chat.completion",
    "model": "gpt-5-2025",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    "usage": USAGE,
}).encode()  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the provider does.

    `end`: `eof`, `cut` (closed without the last chunk), `reset`, or `trickle` (comments until somebody goes).
    """

    chunks: tuple[bytes, ...] = CHAT
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(EVENT_STREAM))
    hold_after: int | None = None
    """Number of chunks after which it waits for `release`."""
    end: str = "eof"

    def but(self, **changes):
        return replace(self, **changes)


def document(body=COMPLETION, status=200, **headers):
    return Answer((body,), status, {"content-type": "application/json"} | headers)


def redirect(to):
    return Answer((b"moved",), 307, {"location": to, "content-type": "text/plain"})


@dataclass(frozen=True)
class Seen:
    """A request as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Provider:
    """Answers every path with `answer`, or with what `routes` has for it. A context manager."""

    def __init__(self):
        self.released = threading.Event()
        self.forget()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                provider.requests.append(Seen(self.path, headers, body))
                with contextlib.suppress(OSError):
                    provider._answer(self, provider.routes.get(self.path, provider.answer))

            do_GET = do_POST  # noqa: N815 - the library's name

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def forget(self):
        """Begin anew: for the next test, while what is left of the last one is let go."""
        self.released.set()
        self.released = threading.Event()
        self.holding = threading.Event()
        """Set once the provider waits for `release`."""
        self.answer = Answer()
        self.routes = {}
        self.requests = []

    @property
    def port(self):
        return self._server.server_address[1]

    def url(self, path="/v1/chat/completions"):
        return f"http://127.0.0.1:{self.port}{path}"

    def release(self):
        self.released.set()

    def _answer(self, handler, answer):
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for number, chunk in enumerate(answer.chunks):
            self._hold(answer, number)
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            handler.wfile.flush()
        self._hold(answer, len(answer.chunks))
        self._end(handler, answer.end)

    def _hold(self, answer, number):
        if answer.hold_after == number:
            self.holding.set()
            self.released.wait(60)

    def _end(self, handler, end):
        while end == "trickle" and not self.released.wait(0.01):
            handler.wfile.write(b"7\r\n: wait\n\r\n")
        if end == "eof":
            handler.wfile.write(b"0\r\n\r\n")
            return
        handler.close_connection = True
        if end == "reset":
            linger = struct.pack("ii", 1, 0)  # close with RST instead of FIN
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.rfile.close()
            handler.wfile.close()
            handler.connection.close()
            handler.rfile, handler.wfile = io.BytesIO(), io.BytesIO()  # the handler goes on for a bit
