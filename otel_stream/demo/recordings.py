"""The recorded streams that come with the demo; where they are from stands in recordings/README.md."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).with_name("recordings")

_END_OF_FRAME = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


class Reported(msgspec.Struct, frozen=True):
    """Tokens the provider reported in the stream; input includes cached tokens."""

    input_tokens: int
    output_tokens: int


class Recording(msgspec.Struct, frozen=True):
    """One recorded stream. `usage` is None when the provider reported none."""

    id: str
    api: str
    model: str
    request: dict[str, Any]
    headers: dict[str, str]
    usage: Reported | None
    body: str

    @property
    def frames(self) -> list[bytes]:
        """The body in pieces that end where a server-sent event does."""
        return [frame for frame in _END_OF_FRAME.split(self.body.encode()) if frame]


@functools.cache
def load() -> dict[str, Recording]:
    """Return the recordings by id, always in the same order."""
    decoder = msgspec.json.Decoder(Recording)
    found = [decoder.decode(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
    return {recording.id: recording for recording in found}
