"""Framings: bytes in, frames out, no I/O, no clock. Any cut of the bytes gives the same frames.

Each decoder lives as long as one response body and has `feed(chunk)`, `close()` (the body ended) and
`dropped`, the number of frames that were given up because they were larger than the cap or corrupt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

DEFAULT_MAX_FRAME_BYTES = 8 << 20
"""8 MiB; h11 caps incomplete events at 16 KiB, but LLM frames carry whole images as base64."""


class Frame(Protocol):
    """What every framing yields: a name ("" where the framing has none) and the payload's bytes."""

    @property
    def event(self) -> str: ...

    @property
    def raw(self) -> bytes: ...


class Framing(Protocol):
    """One response's decoder."""

    @property
    def dropped(self) -> int: ...

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Return the frames completed by `chunk`, which may end anywhere."""

    def close(self) -> Sequence[Frame]:
        """The body ended: return what the framing takes for a last frame."""


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A frame of a framing that has no names."""

    raw: bytes
    event: str = ""
