"""The provider of the e2e tests, a process of its own: replays recordings of every API, with faults.

    python -m e2e.upstream          # says its port on the first line, runs until it is told to end

What a call is to meet travels in its text, since gateways pass little else on: `[[hold k1]]` is the conduct
`hold` for the call `k1`. A path that begins with /conduct-refuse meets that conduct whatever it says.
GET /ledger tells what was served; GET /wait/k1/held returns once that call is held, POST /release/k1 ends it.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import select
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from e2e import apis

WAIT_SECONDS = 60
RESET_SECONDS = 0.1  # a reset takes what was sent and not yet read with it
CONDUCTS = ("whole", "hold", "drip", "fail", "reset", "cut", "refuse")
"""Answer; stop half-way until released, or before each frame; tell an error half-way; drop the connection,
hard or soft; a 429."""

_MARK = re.compile(rb"\[\[(\w+) ([\w.-]+)\]\]")
_PREFIX = re.compile(r"^/conduct-(\w+)/")


class Gone(Exception):  # noqa: N818
    """The client has left."""


class Book:
    """The ledger: one row for each request, told apart by the key of the call."""

    def __init__(self):
        self.rows = []
        self._changed = threading.Condition()
        self._released = Counter()

    def open(self, **row):
        with self._changed:
            entry = {"number": len(self.rows), "state": "open", "input": 0, "output": 0, **row}
            self.rows.append(entry)
            return entry

    def set(self, row, **facts):
        with self._changed:
            row.update(facts)
            self._changed.notify_all()

    def wait(self, key, state, seconds=WAIT_SECONDS):
        def found():
            return next((row for row in self.rows if (row["key"], row["state"]) == (key, state)), None)

        with self._changed:
            self._changed.wait_for(found, seconds)
            return found()

    def release(self, key):
        with self._changed:
            self._released[key] += 1
            self._changed.notify_all()

    def released(self, key, times, seconds):
        with self._changed:
            return self._changed.wait_for(lambda: self._released[key] >= times, seconds)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    book = Book()

    # -- what tests ask

    def do_GET(self):
        match urlsplit(self.path).path.strip("/").split("/"):
            case ["ledger"]:
                self._document(200, self.book.rows)
            case ["wait", key, state]:
                row = self.book.wait(key, state)
                self._document(200 if row else 504, row or {"error": f"{key} was never {state}"})
            case _:
                self._document(404, {"error": self.path})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/release/"):
            self.book.release(self.path.rpartition("/")[2])
            self._document(200, {})
            return
        api = apis.of_path(self.path)
        if api is None:
            self._document(404, {"error": {"message": f"nothing at {self.path}"}})
            return
        with contextlib.suppress(OSError):
            self._answer(api, body)

    # -- what callers get

    def _answer(self, api, body):
        asked = json.loads(body)
        marked = _MARK.search(body)
        conduct, key = (word.decode() for word in marked.groups()) if marked else ("whole", "")
        prefixed = _PREFIX.match(self.path)
        conduct = prefixed[1] if prefixed else conduct
        streaming = asked.get("stream", api not in ("openai.chat", "anthropic.messages", "openai.responses"))
        row = self.book.open(api=api, key=key, conduct=conduct, path=self.path, streaming=streaming)
        if conduct == "refuse":
            self._document(429, apis.APIS[api].refusal, apis.APIS[api].refusal_headers)
            self.book.set(row, state="refused")
        elif streaming:
            self._stream(api, asked, row)
        else:
            self._plain(api, row)

    def _plain(self, api, row):
        """A chat completion that was not asked for as a stream."""
        whole = apis.answer(api)
        message = {"role": "assistant", "content": whole.text}
        usage = {"prompt_tokens": whole.input_tokens, "completion_tokens": whole.output_tokens}
        usage["total_tokens"] = sum(usage.values())
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        named = {"id": "chatcmpl-plain", "object": "chat.completion", "created": 1, "model": whole.model}
        self._document(200, {**named, "choices": [choice], "usage": usage})
        self._served(row, whole)

    def _stream(self, api, asked, row):
        whole = apis.answer(api)
        frames = list(whole.frames)
        if api == "openai.chat" and not (asked.get("stream_options") or {}).get("include_usage"):
            frames = [frame for frame in frames if b'"choices":[]' not in frame]
            row["reported"] = False
        half = apis.APIS[api].held_after
        try:
            self._head(whole.headers)
            if row["conduct"] == "whole":
                self._send(frames)
            else:
                self._send(frames[:half])
                getattr(self, f"_{row['conduct']}")(api, frames[half:], row)
            self._close()
            if row["state"] != "failed":
                self._served(row, whole)
        except (Gone, OSError):
            self.close_connection = True
            if row["state"] not in ("reset", "cut"):
                self.book.set(row, state="gone")

    def _served(self, row, whole):
        self.book.set(row, state="complete", input=whole.input_tokens, output=whole.output_tokens)

    # -- conducts half-way

    def _hold(self, _, rest, row):
        self.book.set(row, state="held")
        self._wait(row, 1)
        self._send(rest)

    def _drip(self, _, rest, row):
        self.book.set(row, state="held")
        for times, frame in enumerate(rest, 1):
            self._wait(row, times)
            self._send([frame])

    def _wait(self, row, times):
        while not self.book.released(row["key"], times, 0.02):
            if select.select([self.connection], [], [], 0)[0] and not self._peek():
                raise Gone

    def _peek(self):
        return self.connection.recv(1, socket.MSG_PEEK)

    def _fail(self, api, _, row):
        self._send([apis.APIS[api].failure])
        self.book.set(row, state="failed")

    def _cut(self, _, __, row):
        """Close the connection without the last chunk."""
        self.book.set(row, state="cut")
        self._hang_up()

    def _reset(self, _, __, row):
        time.sleep(RESET_SECONDS)
        self.book.set(row, state="reset")
        linger = struct.pack("ii", 1, 0)  # close with RST instead of FIN
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._hang_up()

    def _hang_up(self):
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        self.rfile, self.wfile = io.BytesIO(), io.BytesIO()  # the handler goes on for a bit
        raise Gone

    # -- HTTP

    def _head(self, headers):
        self.send_response_only(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _send(self, frames):
        for frame in frames:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
            self.wfile.flush()

    def _close(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _document(self, status, payload, headers=None):
        body = json.dumps(payload).encode()
        self.send_response_only(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)  # noqa: T201 - this is how it is told
    server.serve_forever()


if __name__ == "__main__":
    main()
