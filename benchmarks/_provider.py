"""A provider in a process of its own: answers every request with one paced stream of chat chunks.

    python -m benchmarks._provider CHUNKS SECONDS_BETWEEN [EVENTS_PER_CHUNK]

Prints its port and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

from benchmarks.pipeline import END, TOKEN

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _framed(chunk: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


async def main(chunks: int, pause: float, together: int) -> None:
    loop = asyncio.get_running_loop()
    token, end = _framed(TOKEN * together), b"".join(map(_framed, END)) + b"0\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(HEAD)
                began = loop.time()
                for number in range(1, chunks + 1):
                    if writer.is_closing():
                        return
                    writer.write(token)
                    await asyncio.sleep(began + number * pause - loop.time())  # late ones catch up
                writer.write(end)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int((*sys.argv, 1)[3])))
