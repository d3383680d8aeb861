"""What a response was decoded to, in lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from otel_stream.inspection.exchanges import Exchange
from otel_stream.pricing import Price
from otel_stream.terminal import harmless
from otel_stream.testing import Replay

MAX_SHOWN = 2000  # characters of a text, unless all of it is asked for


def report(exchange: Exchange, found: Replay, price: Price, *, whole: bool = False) -> list[str]:
    """Return the lines about one exchange; `whole` shows texts to their end."""
    head = f"{exchange.method} {harmless(exchange.url)} → {exchange.status}"
    if not found.recognised:
        return [head, "  no LLM call: left alone"]
    lines = [f"  {label:<13} {harmless(value)}" for label, value in _facts(found, price) if value]
    return [head, *lines, *_texts(found, whole=whole)]


def _facts(found: Replay, price: Price) -> Iterator[tuple[str, str]]:
    facts = found.facts
    if facts is not None:
        yield "format", f"{facts.format}, {facts.provider}, {facts.operation}"
        yield "model", facts.model + (f" → {found.response_model}" if found.response_model else "")
    yield "outcome", found.outcome or ""
    yield "error", _error(found)
    yield "finish", ", ".join(found.finish_reasons)
    yield "tokens", _tokens(found)
    yield "cost", f"${price.usd:f} ({price.source})" if price.usd is not None else "no price is known"
    yield "response", found.response_id or ""
    deltas = sum(getattr(event, "length", None) is not None for event in found.events)
    yield "pieces", f"{deltas:,} of {len(found.text):,} characters of answer" if deltas else ""


def _error(found: Replay) -> str:
    if found.error is None:
        return ""
    return ": ".join(str(found.error[name]) for name in ("type", "code", "message") if found.error[name])


def _tokens(found: Replay) -> str:
    if found.usage is None:
        return "not reported"
    told = {name.removesuffix("_tokens").replace("_", " "): count for name, count in found.usage.items()}
    return ", ".join(f"{count:,} {name}" for name, count in told.items() if count is not None)


def _texts(found: Replay, *, whole: bool) -> Iterator[str]:
    for title, text in (
        ("thinking", found.reasoning_text),
        ("refusal", found.refusal_text),
        ("answer", found.text),
    ):
        if text:
            yield f"  {title}"
            yield from (f"    {harmless(line)}" for line in _cut(text, whole=whole).splitlines())
    for call in found.tool_calls:
        arguments = _cut(str(call["arguments"]), whole=whole)
        yield f"  tool call     {harmless(str(call['name']))} {harmless(arguments)}"


def _cut(text: str, *, whole: bool) -> str:
    if whole or len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}\n… {len(text) - MAX_SHOWN:,} more characters; --whole shows them"
