"""Who calls when, for what, and what goes wrong: everything by chance, and the same for the same seed.

Provider and callers each work out the plan of a call from its number, which travels in the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

from otel_stream.demo import recordings

Conduct: TypeAlias = Literal["clean", "slow", "cut", "error", "rate_limited", "overloaded"]
"""What the provider does: answer, answer slowly, drop the connection or report an error half-way, refuse."""

CONDUCTS: dict[Conduct, int] = {
    "clean": 74, "slow": 8, "cut": 6, "error": 5, "rate_limited": 5, "overloaded": 2,
}  # fmt: skip
"""How often of 100 calls."""

AGENTS = {"coder": 5, "researcher": 3, "support": 3, "summarizer": 2, "planner": 1}
TENANTS = {"acme": 4, "globex": 3, "initech": 2}
LEAVES = 0.14  # of the callers hang up before the answer is complete


class Plan(NamedTuple):
    """One call. `leaves_after_s` is when its caller hangs up; None: it stays to the end."""

    number: int
    recording: recordings.Recording
    conduct: Conduct
    agent: str
    tenant: str
    session: str
    leaves_after_s: float | None


def plan(seed: int, number: int) -> Plan:
    """Return the plan of the call of this number."""
    chance = Random(f"{seed}/{number}")
    agent, tenant = _one_of(chance, AGENTS), _one_of(chance, TENANTS)
    return Plan(
        number,
        chance.choice(list(recordings.load().values())),
        _one_of(chance, CONDUCTS),
        agent,
        tenant,
        f"{tenant}-{agent}-{number // 8}",
        chance.uniform(0.3, 3) if chance.random() < LEAVES else None,
    )


def _one_of(chance: Random, weights: dict[Any, int]) -> Any:
    return chance.choices(list(weights), list(weights.values()))[0]


def request_of(call: Plan) -> dict[str, Any]:
    """Return the body of the call's request, with its number where the API has room for the end user's id."""
    name = f"call-{call.number}"
    ours = {"user": name} if call.recording.api == "openai.chat" else {"metadata": {"user_id": name}}
    return {**call.recording.request, **ours}


def number_of(request: dict[str, Any]) -> int | None:
    """Return the number of the call that `request_of` put into a body; None for anybody else's."""
    match request:
        case {"user": str(name)} | {"metadata": {"user_id": str(name)}}:
            found = re.fullmatch(r"call-(\d+)", name)
            return int(found[1]) if found else None
    return None


def pauses(chance: Random, frames: int, *, slow: bool) -> Iterator[float]:
    """Yield the seconds before each frame: a thinking pause, then jittered gaps, as providers have them."""
    yield chance.lognormvariate(-0.7, 0.5) * (4 if slow else 1)
    stall = chance.randrange(1, frames) if slow and frames > 1 else None
    for index in range(1, frames):
        gap = chance.expovariate(1 / 0.04) + 0.005
        yield gap * 5 + (3 if index == stall else 0) if slow else gap
