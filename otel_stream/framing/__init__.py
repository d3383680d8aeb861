"""Framings: bytes in, frames out, no I/O, no clock. Any cut of the bytes gives the same frames.

Each decoder lives as long as one response body and has `feed(chunk)`, `close()` (the body ended) and
`dropped`, the number of frames that were given up because they were larger than the cap.
"""

from __future__ import annotations

DEFAULT_MAX_FRAME_BYTES = 8 << 20
"""8 MiB; h11 caps incomplete events at 16 KiB, but LLM frames carry whole images as base64."""
