"""What each call of the soak is to be: which answer, what goes wrong, who leaves. The same for a name always.

Provider and callers each work out a call's plan from its name, which travels in the request. Nothing in it
is a race: who is to hang up is never sent the end of the answer, and who is cut off has had none either.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

from otel_stream.demo import recordings
from otel_stream.demo.recordings import Recording

Conduct: TypeAlias = Literal[
    "whole", "rate_limited", "overloaded", "refused",
    "cut", "reset", "error", "incomplete", "stalled", "leaves", "leaves_early",
]  # fmt: skip
"""The provider answers; refuses once, then answers (429; 503 or 529); refuses (400); closes the connection;
resets it; reports an error; ends without a terminal; falls silent. The caller leaves in the middle, or
before the answer has begun."""

CONDUCTS: dict[Conduct, int] = {
    "whole": 66, "rate_limited": 4, "overloaded": 2, "refused": 1,
    "cut": 4, "reset": 4, "error": 3, "incomplete": 2, "stalled": 1, "leaves": 10, "leaves_early": 3,
}  # fmt: skip
"""How often of 100 calls."""

FINISHING = frozenset({"whole", "rate_limited", "overloaded"})
"""Conducts that come to a whole answer."""

MAX_PIECES = 40  # of an answer, so that streams last about as long as each other
GZIPPED = 0.25  # of the answers

_TERMINAL = re.compile(rb'"(?:finish_reason|stop_reason)": ?"')
PATHS = {"openai.chat": "/v1/chat/completions", "anthropic.messages": "/v1/messages"}


class Call(NamedTuple):
    """One call. `sent` bytes of the answer's body go out; `leaves_after` is in gaps between pieces."""

    name: str
    recording: Recording
    conduct: Conduct
    sent: int
    gzipped: bool
    leaves_after: float
    chance: Random

    @property
    def request(self) -> dict[str, Any]:
        """The body of the request, with the name where the API has room for the end user's id."""
        ours = {"user": self.name} if self._openai else {"metadata": {"user_id": self.name}}
        return {**self.recording.request, **ours}

    @property
    def body(self) -> bytes:
        """The whole answer's."""
        return _body(self.recording.id)

    @property
    def path(self) -> str:
        return PATHS[self.recording.api]

    @property
    def provider(self) -> str:
        """The provider as the conventions call it."""
        return "openai" if self._openai else "anthropic"

    @property
    def _openai(self) -> bool:
        return self.recording.api == "openai.chat"

    def pieces(self) -> list[bytes]:
        """What goes out of the body, cut at any byte, as networks do."""
        body = self.body[: self.sent]
        cuts = sorted(self.chance.sample(range(1, len(body)), _count(body) - 1))
        return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def call(name: str) -> Call:
    """Return the plan of the call of this name."""
    chance = Random(name)
    recording = chance.choice(list(recordings.load().values()))
    conduct = chance.choices(list(CONDUCTS), list(CONDUCTS.values()))[0]
    sent = _sent(recording, conduct, chance)
    gzipped = chance.random() < GZIPPED
    # Soon after the last piece at the latest: long before the gateway gives the silent provider up.
    leaves_after = chance.uniform(0, _count(_body(recording.id)[:sent]) + 2)
    return Call(name, recording, conduct, sent, gzipped, leaves_after, chance)


def each_kind(series: str) -> list[Call]:
    """Return a call for each answer and conduct, named apart from those of the load."""
    found: dict[tuple[str, str], Call] = {}
    wanted = len(recordings.load()) * len(CONDUCTS)
    for number in itertools.count():
        made = call(f"{series}-first{number}")
        found.setdefault((made.recording.id, made.conduct), made)
        if len(found) == wanted:
            return list(found.values())
    raise AssertionError


def _sent(recording: Recording, conduct: Conduct, chance: Random) -> int:
    """Return how much of the body goes out: all, or something between its first frame and its terminal."""
    if conduct in FINISHING:
        return len(_body(recording.id))
    ends = _ends_before_terminal(recording.id)
    return chance.choice(ends) if conduct == "error" else chance.randint(ends[0], ends[-1])


def _count(body: bytes) -> int:
    """Return in how many pieces it goes out."""
    return min(MAX_PIECES, body.count(b"\n\n") + 1)


@functools.cache
def _body(recording_id: str) -> bytes:
    return recordings.load()[recording_id].body.encode()


@functools.cache
def _ends_before_terminal(recording_id: str) -> list[int]:
    """Return where the frames end that come before the one that tells why the answer is over."""
    ends: list[int] = []
    end = 0
    for frame in recordings.load()[recording_id].frames:
        if _TERMINAL.search(frame):
            return ends
        end += len(frame)
        ends.append(end)
    raise ValueError(f"{recording_id} has no terminal")


def name_of(request: Mapping[str, Any]) -> str | None:
    """Return the name that a request carries; None for anybody else's."""
    match request:
        case {"user": str(name)} | {"metadata": {"user_id": str(name)}}:
            return name
    return None
