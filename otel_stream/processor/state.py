"""What a late joiner is told of one stream in flight: the shape of `snapshot()`."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import msgspec

from otel_stream import _guard
from otel_stream.events import Source, UsageSource
from otel_stream.meaning import Usage
from otel_stream.pricing import UNPRICED, Price, PriceFunction
from otel_stream.settlement import CHARACTERS_PER_TOKEN
from otel_stream.stream import Stream

Phase: TypeAlias = Literal["waiting", "streaming"]
"""Before and after the first content-bearing chunk."""


class StreamState(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A stream in flight: its `Started` event and how far it came. None means not known."""

    request_id: str
    model: str
    agent_type: str | None = None
    provider: str | None = None
    operation: str | None = None
    server_address: str | None = None
    call_id: str | None = None
    tenant: str | None = None
    session_id: str | None = None
    source: Source | None = None
    time_unix_nano: int | None = None
    """When it started."""
    trace_id: str | None = None
    span_id: str | None = None
    phase: Phase = "waiting"
    sequence: int = 0
    """Number of the last event this state includes; later ones are news."""
    chunks: int = 0
    characters: int = 0
    time_to_first_token_s: float | None = None
    duration_s: float = 0.0
    idle_s: float = 0.0
    """Seconds since anything arrived."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    usage_source: UsageSource = "none"


def state_of(stream: Stream, price: PriceFunction | None = None) -> StreamState:
    """Return the state of a stream of ours; tokens not reported yet are estimated from characters."""
    facts, who = stream.facts, stream.who
    usage, usage_source = _usage_so_far(stream)
    return StreamState(
        stream.request_id,
        facts.model,
        agent_type=who.agent_type,
        provider=facts.provider,
        operation=facts.operation,
        server_address=facts.server_address,
        call_id=who.call_id,
        tenant=who.tenant,
        session_id=who.session_id,
        source=stream.source,
        time_unix_nano=stream.unix_nano(stream.started_at),
        trace_id=stream.trace.trace_id,
        span_id=stream.trace.span_id,
        phase="streaming" if stream.chunks else "waiting",
        sequence=stream.sequence,
        chunks=stream.chunks,
        characters=stream.characters,
        time_to_first_token_s=stream.time_to_first_token_s,
        duration_s=stream.duration_s,
        idle_s=stream.idle_s,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=_cost(stream, usage, price),
        usage_source=usage_source,
    )


def _usage_so_far(stream: Stream) -> tuple[Usage, UsageSource]:
    reported = stream.reported or Usage()
    if reported.output_tokens is not None and stream.soft:
        return reported, "provider"
    seen = math.ceil(stream.characters / CHARACTERS_PER_TOKEN)
    prompt = math.ceil(stream.facts.prompt_characters / CHARACTERS_PER_TOKEN)
    so_far = msgspec.structs.replace(
        reported,
        input_tokens=prompt if reported.input_tokens is None else reported.input_tokens,
        output_tokens=max(seen, reported.output_tokens or 0),
    )
    return so_far, "estimated"


def _cost(stream: Stream, usage: Usage, price: PriceFunction | None) -> float | None:
    facts = stream.facts
    found = ask(price, facts.provider, stream.response_model or facts.model, facts.model, usage)
    return None if found.usd is None else float(found.usd)


def ask(price: PriceFunction | None, provider: str, model: str, request_model: str, usage: Usage) -> Price:
    """Return what the usage costs; never raises, whoever's function it is."""
    if price is not None:
        with _guard.guard("pricing"):
            return price(provider=provider, model=model, request_model=request_model, usage=usage)
    return UNPRICED
