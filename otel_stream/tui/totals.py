"""The lines at the top of the screen: what is going on in all, where it comes from, what was missed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from otel_stream.terminal import cells, harmless
from otel_stream.tui import words
from otel_stream.tui.meters import spark
from otel_stream.tui.model import Feed, Model
from otel_stream.tui.row import State

BETWEEN = "  "


class Segment(NamedTuple):
    """A piece of a line; of the highest need stays longest in a narrow window."""

    text: str
    role: str = ""
    need: int = 5


def totals(model: Model, now: int) -> list[Segment]:
    """Return the first line: streams by state, rates, first-token times, money."""
    states: Counter[State] = Counter(row.state(now) for row in model.rows.values() if row.is_open)
    trend = model.trend(now)
    thirds = [sum(trend[at : at + 3]) for at in range(0, len(trend), 3)]
    return [
        Segment(f"{sum(states.values()):,} in flight", "strong", 10),
        Segment(f"{states['waiting']:,} waiting", "waiting" if states["waiting"] else "dim", 8),
        Segment(f"{states['stalled']:,} stalled", "stalled" if states["stalled"] else "dim", 9),
        _bad(model, now),
        Segment(f"{model.tokens_per_s(now):,.0f} tok/s", "strong", 8),
        Segment(spark(thirds), "streaming", 3),
        Segment(f"first token {_first(model, 0.5, now)} / {_first(model, 0.95, now)}", "", 4),
        Segment(f"{words.money(model.spent.total(now))}/min", "strong", 7),
    ]


def sums(model: Model) -> list[Segment]:
    """Return what has come together since the beginning."""
    given, got = model.input_tokens, model.output_tokens
    cancelled = model.outcomes["cancelled"]
    return [
        Segment(f"{model.ends:,} ended", "dim", 7),
        Segment(f"{words.money(model.cost_usd)}", "dim", 8),
        Segment(f"{words.count(given)} → {words.count(got)} tokens", "dim", 6),
        Segment(f"{model.bad_ends:,} errors", "error" if model.bad_ends else "dim", 5),
        Segment(f"{cancelled:,} cancelled", "dim", 4),
    ]


def _bad(model: Model, now: int) -> Segment:
    bad = model.bad.total(now)
    return Segment(f"{bad:,.0f} errors/min", "error" if bad else "dim", 9)


def _first(model: Model, share: float, now: int) -> str:
    return words.seconds(model.first_token_s(share, now))


def sources(model: Model, now: int, skipped: int = 0) -> list[Segment]:
    """Return the second line: gateways, events, text, and always what was missed."""
    live = [feed for feed in model.feeds.values() if feed.link == "live"]
    return [
        _gateways(live),
        *(Segment(_trouble(feed), "alert", 8) for feed in model.feeds.values() if feed.link != "live"),
        Segment(f"{model.events.rate(now):,.0f} events/s", "dim", 3),
        Segment(_text(live), "dim", 4),
        missed(model),
        *([Segment(f"{skipped:,} not understood", "alert", 6)] if skipped else []),
    ]


def missed(model: Model) -> Segment:
    """Return how many events never arrived; it is told also when there are none."""
    more = "+?" if model.missed_unknown else ""
    role = "alert" if model.missed or model.missed_unknown else "dim"
    return Segment(f"missed {model.missed:,}{more}", role, 11)


def _gateways(live: Sequence[Feed]) -> Segment:
    if not live:
        return Segment("no gateway", "alert", 10)
    services = Counter(feed.info.service if feed.info else feed.key for feed in live)
    named = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in sorted(services.items()))
    return Segment(harmless(named), "strong", 9)


def _trouble(feed: Feed) -> str:
    name = feed.info.service if feed.info else feed.key
    why = f": {feed.note}" if feed.note and feed.link != "gone" else ""
    return harmless(f"{name} {feed.key if feed.info else ''} {feed.link}{why}".replace("  ", " "))


def _text(live: Sequence[Feed]) -> str:
    allowed = [bool(feed.info and feed.info.text) for feed in live]
    if not live:
        return ""
    return "text on" if all(allowed) else "text partly" if any(allowed) else "text off"


def fit_segments(segments: Sequence[Segment], width: int) -> list[Segment]:
    """Return the segments that fit into `width` cells with two spaces between them."""
    shown = [segment for segment in segments if segment.text]
    while len(shown) > 1 and _width(shown) > width:
        shown.remove(min(reversed(shown), key=lambda segment: segment.need))
    return shown


def joined(first: list[Segment], second: list[Segment], width: int) -> list[list[Segment]]:
    """Return both on one line where that has room for all of them, else a line each."""
    return [[*first, *second]] if _width([*first, *second]) <= width else [first, second]


def _width(segments: Sequence[Segment]) -> int:
    return sum(cells(segment.text) for segment in segments) + len(BETWEEN) * (len(segments) - 1)
