"""Feeding a framing: in given pieces, in pieces of one size, and cut anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st


def frames(decoder: Any, chunks: Iterable[bytes]) -> list[Any]:
    """Return all frames of a body that arrives in these chunks and then ends."""
    found: list[Any] = []
    for chunk in chunks:
        found.extend(decoder.feed(chunk))
    found.extend(decoder.close())
    return found


def raws(decoder: Any, *chunks: bytes) -> list[bytes]:
    """Return the payloads of all frames."""
    return [frame.raw for frame in frames(decoder, chunks)]


def cut(body: bytes, size: int) -> list[bytes]:
    """Return the body in pieces of `size` bytes."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def cut_at(body: bytes, offsets: Iterable[int]) -> list[bytes]:
    """Return the body cut at these offsets; pieces may be empty."""
    return [
        body[a:b] for a, b in itertools.pairwise([0, *sorted(min(o, len(body)) for o in offsets), len(body)])
    ]


def bodies_of(parts: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Bodies put together from parts that mean something to the framing."""
    return st.lists(st.sampled_from(parts), max_size=40).map(b"".join)


offsets = st.lists(st.integers(0, 400), max_size=12)
