"""Callers in a process of their own: each reads its answer to the end and asks again.

    python -m benchmarks._callers PORT CALLERS SECONDS

They begin over so many seconds. For each line on standard input the number of tokens that have come is
printed; they go on until it closes.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.pipeline import REQUEST

BODY = json.dumps(REQUEST).encode()
ASKING = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


class Callers:
    """`tokens` is how many have come."""

    def __init__(self, port: int) -> None:
        self.tokens = 0
        self._port = port

    async def call(self, wait: float) -> None:
        await asyncio.sleep(wait)
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(ASKING)
            while read := await reader.read(1 << 16):
                self.tokens += read.count(b" token")
            writer.close()


async def main(port: int, callers: int, seconds: float) -> None:
    ours = Callers(port)
    calls = [asyncio.ensure_future(ours.call(seconds * index / callers)) for index in range(callers)]
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(ours.tokens, flush=True)
    for call in calls:
        call.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
