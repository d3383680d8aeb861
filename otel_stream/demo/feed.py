"""How the demo hears the gateway's live events: lines of JSON on a Unix socket (the setting `tail`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from otel_stream.events import StreamEvent, decode

MAX_LINE_BYTES = 64 << 20  # a line is an event, and a delta may be as large as the largest frame


@asynccontextmanager
async def listen(path: Path, on_event: Callable[[StreamEvent], None]) -> AsyncIterator[None]:
    """Call `on_event` for each event that a gateway writes to the socket."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            on_event(decode(line))
        writer.close()

    server = await asyncio.start_unix_server(read, path, limit=MAX_LINE_BYTES)
    try:
        yield
    finally:
        server.close()
