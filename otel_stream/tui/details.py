"""Everything that is known of one stream, as labelled lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from otel_stream.events import Error
from otel_stream.terminal import harmless
from otel_stream.tui import words
from otel_stream.tui.lines import clock
from otel_stream.tui.model import Model
from otel_stream.tui.row import Row

_HEX = re.compile(r"[0-9a-f]{16,32}")


class Detail(NamedTuple):
    """A line of the panel; `link` is where it leads, or empty."""

    label: str
    value: str
    role: str = ""
    link: str = ""


def details(row: Row, model: Model, now: int, trace_url: str = "") -> list[Detail]:
    """Return the lines about a stream; those without a value are left out.

    `trace_url` is an address with `{trace_id}` and maybe `{span_id}` in it.
    """
    found = [
        *_what(row, now),
        *_figures(row, now),
        *_who(row),
        *_where(row, model, trace_url),
        *_end(row),
    ]
    return [line._replace(value=harmless(line.value)) for line in found if line.value]


def link_of(row: Row, trace_url: str) -> str:
    """Return the address of the stream's trace, or nothing."""
    trace_id, span_id = row.started.trace_id or "", row.started.span_id or ""
    if not trace_url or not _HEX.fullmatch(trace_id):
        return ""
    span_id = span_id if _HEX.fullmatch(span_id) else ""
    return trace_url.replace("{trace_id}", trace_id).replace("{span_id}", span_id)


def _what(row: Row, now: int) -> Iterator[Detail]:
    yield Detail("state", words.state(row, now), row.state(now))
    if isinstance(row.ended, Error):
        yield Detail("error", row.ended.error_type or "", "alert")
        yield Detail("message", row.ended.message, "alert")
    answered = getattr(row.ended, "response_model", None)
    yield Detail("model", f"{row.model} → {answered}" if answered and answered != row.model else row.model)
    at = f" at {row.started.server_address}" if row.started.server_address else ""
    yield Detail("provider", f"{row.started.provider or ''}{at}".strip())


def _who(row: Row) -> Iterator[Detail]:
    yield Detail("who", row.who)
    yield Detail("session", row.started.session_id or "")


def _figures(row: Row, now: int) -> Iterator[Detail]:
    yield Detail("time", _times(row, now))
    yield Detail("tokens", _tokens(row))
    end = row.ended
    source = getattr(end, "cost_source", None)
    yield Detail("cost", words.cost(row) + (f" ({source})" if source not in (None, "none") else ""))
    yield Detail("chunks", f"{row.chunks:,}, {row.characters:,} characters")
    yield Detail("gaps", f"{words.gaps(row)} (50 %/95 %)" if row.gap_s(0.5) is not None else "")


def _times(row: Row, now: int) -> str:
    lasted = f"{words.seconds(row.age_s(now))} {'so far' if row.is_open else 'in all'}"
    if row.first_token_s is None:
        return lasted
    return f"{lasted}, first token {words.seconds(row.first_token_s)}"


def _tokens(row: Row) -> str:
    end = row.ended
    given = row.input_tokens if end is None else end.input_tokens
    about = "~" if row.tokens_are_estimated and given is not None else ""
    parts = [f"{about}{given:,} in" if given is not None else "", f"{words.tokens(row)} out"]
    if end is not None:
        named = {"cached": end.cache_read_tokens, "written": end.cache_write_tokens}
        parts += [
            f"{count:,} {name}" for name, count in {**named, "thought": end.reasoning_tokens}.items() if count
        ]
    return ", ".join(filter(None, parts))


def _end(row: Row) -> Iterator[Detail]:
    end = row.ended
    if end is None:
        return
    yield Detail("finish", ", ".join(end.finish_reasons or ()))
    yield Detail("response", end.response_id or "")


def _where(row: Row, model: Model, trace_url: str) -> Iterator[Detail]:
    yield Detail("trace", row.started.trace_id or "", link=link_of(row, trace_url))
    yield Detail("request", row.request_id)
    yield Detail("call", row.started.call_id or "")
    yield Detail("span", row.started.span_id or "")
    yield Detail("operation", row.started.operation or "")
    yield Detail("began", clock(row.started_ns))
    feed = model.feeds.get(row.gateway)
    service = feed.info.service if feed is not None and feed.info is not None else ""
    yield Detail("gateway", f"{service} {row.gateway}".strip())
    yield Detail("seen at", row.started.source or "")
    if feed is not None and feed.missed:
        yield Detail("missed", f"{feed.missed:,} events of this gateway", "alert")
