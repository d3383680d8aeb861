"""Streams as plain lines, for pipes and logs: what `tail` prints. Pure."""

from __future__ import annotations

import time

from otel_stream.events import Completed, Ended, Error
from otel_stream.terminal import harmless
from otel_stream.tui import words
from otel_stream.tui.meters import NS
from otel_stream.tui.row import Row

MAX_MESSAGE = 200  # characters of an error message


def clock(at: int) -> str:
    """Return the local time of day to the millisecond."""
    return f"{time.strftime('%H:%M:%S', time.localtime(at // NS))}.{at % NS // 1_000_000:03d}"


def started(row: Row) -> str:
    """Return the line of a stream that began."""
    return f"{clock(row.started_ns)} ▶ {_name(row)} started"


def ended(row: Row, now: int) -> str:
    """Return the line of a stream that ended, or that is lost."""
    end = row.ended
    facts = [] if end is None else _facts(row, end, now)
    told = f": {', '.join(facts)}" if facts else ""
    return f"{clock(row.ended_ns or now)} {words.state(row, now)[0]} {_name(row)} {row.state(now)}{told}"


def in_flight(row: Row, now: int) -> str:
    """Return the line of a stream in flight, as it is now."""
    facts = [words.seconds(row.age_s(now))]
    if row.first_token_s is not None:
        facts.append(f"first token {words.seconds(row.first_token_s)}")
    facts.append(f"{words.tokens(row)} tokens")
    if row.cost_usd is not None:
        facts.append(words.cost(row))
    return f"{clock(now)} {words.state(row, now)[0]} {_name(row)} {row.state(now)}: {', '.join(facts)}"


def said(row: Row, channel: str, text: str, at: int) -> str:
    """Return the line of a piece of text."""
    about = "" if channel == "output" else f" {channel}"
    return f"{clock(at)} │ {words.short_id(row.request_id)}{about} {harmless(text)}"


def note(text: str, at: int) -> str:
    """Return a line about the watching itself."""
    return f"{clock(at)} • {harmless(text)}"


def _name(row: Row) -> str:
    parts = [words.short_id(row.request_id), row.model, row.who]
    return harmless(" ".join(filter(None, parts)))


def _facts(row: Row, end: Ended, now: int) -> list[str]:
    first = end.time_to_first_token_s
    facts = [
        words.seconds(row.age_s(now)),
        f"first token {words.seconds(first)}" if first is not None else "",
        _tokens(end),
        words.cost(row) if isinstance(end, Completed) or end.cost_usd is not None else "",
        _reason(end),
    ]
    return [fact for fact in facts if fact not in ("", words.UNKNOWN)]


def _tokens(end: Ended) -> str:
    if end.input_tokens is None and end.output_tokens is None:
        return ""
    about = "~" if end.usage_source == "estimated" else ""
    return f"{about}{end.input_tokens or 0:,} → {end.output_tokens or 0:,} tokens"


def _reason(end: Ended) -> str:
    if not isinstance(end, Error):
        return ""
    return harmless(f"{end.error_type}: {end.message}" if end.error_type else end.message)[:MAX_MESSAGE]
