"""Who asks for a stream, which span it has, and the runs of deltas that go onto that span."""

from __future__ import annotations

import os
import random
from typing import NamedTuple

import msgspec

_random = random.Random()  # noqa: S311 - names, no secrets; ours alone, so that a host that seeds `random` changes nothing
os.register_at_fork(after_in_child=_random.seed)


def new_id(prefix: str) -> str:
    """Return a name nobody has: the prefix and 64 random bits. `uuid4` takes five times as long."""
    return f"{prefix}_{_random.getrandbits(64):016x}"


class Who(msgspec.Struct, frozen=True):
    """Who is asking, from the call context; None where nobody said."""

    agent_type: str | None = None
    tenant: str | None = None
    session_id: str | None = None
    call_id: str | None = None
    private: bool = False
    """The text of this stream stays out of every event."""


NOBODY = Who()


class Trace(NamedTuple):
    """Identity of the stream's span: lower-case hex, None without a span."""

    trace_id: str | None = None
    span_id: str | None = None
    sampled: bool = False


class Window(msgspec.Struct, frozen=True, gc=False):
    """A run of deltas that goes onto the span as one event; times in ns since the epoch."""

    start_unix_nano: int
    end_unix_nano: int
    chunks: int
    characters: int
    text: str | None
