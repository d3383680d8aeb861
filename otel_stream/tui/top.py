"""The subcommand `otel-stream top`: the screen, or with `--once` what it would show, once."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from otel_stream.live import client
from otel_stream.live.rendezvous import RendezvousError
from otel_stream.terminal import cells, fit
from otel_stream.tui import attach
from otel_stream.tui.attach import NOBODY, Gateways
from otel_stream.tui.columns import Placed, layout
from otel_stream.tui.filter import FilterError
from otel_stream.tui.limits import Limits
from otel_stream.tui.model import Model
from otel_stream.tui.row import Row
from otel_stream.tui.sources import LiveSource, ReplaySource, Source
from otel_stream.tui.totals import BETWEEN, fit_segments, sources, totals
from otel_stream.tui.view import View

REFRESH_SECONDS = 2  # how often gateways say what streams in flight have cost so far
ONCE_WIDTH = 140  # columns of `--once` where there is no terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    limits = Limits()
    add("filter", nargs="*", help="e.g. model:gpt state:stalled; the key ? explains it")
    add("--once", action="store_true", help="print what is there now, and end")
    add("--json", action="store_true", help="with --once: as JSON")
    add("--page", action="store_true", help="print where the web pages are, with their tokens, and end")
    add("--replay", default="", metavar="FILE", help="show a recording instead of gateways")
    add("--speed", type=_positive, default=1.0, help="of the replay (%(default)s)")
    add("--no-text", action="store_true", help="do not even ask for the text of answers")
    add(
        "--slow",
        **_limit(limits.first_token_s, "S"),
        help="mark streams whose first token takes longer",
    )
    add("--stalled", **_limit(limits.stall_s, "S"), help="mark streams silent for longer (%(default)s)")
    add("--expensive", **_limit(limits.cost_usd, "USD"), help="mark streams that cost more (%(default)s)")
    add("--bell", action="store_true", help="ring when a stream crosses one of these")
    add("--on-alert", default="", metavar="COMMAND", help="run it then; its environment has ALERT_LIMIT …")
    trace_url = os.environ.get("OTEL_STREAM_TRACE_URL", "")
    add("--trace-url", default=trace_url, metavar="URL", help="where traces are, with {trace_id} in it")
    add("--note", action="append", default=[], metavar="LINE", help="show this below the streams (key 5)")
    attach.arguments(parser)


def _limit(default: float | None, unit: str) -> dict[str, Any]:
    return {"type": _positive, "default": default, "metavar": unit}


def run(options: argparse.Namespace) -> int:
    """Show the screen until `q`; 1 when that cannot be, 2 for options that are not understood."""
    try:
        if options.page:
            return pages(attach.gateways_of(options))
        if options.once:
            return once(options)
        with ExitStack() as stack:
            return _screen(options, _source(options, stack))
    except (FilterError, argparse.ArgumentTypeError) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise  # the command line's business
    except (RendezvousError, client.FeedError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _screen(options: argparse.Namespace, source: Source) -> int:
    from otel_stream.tui.alarm import Alarm  # noqa: PLC0415 - Textual takes 0.3 s to load
    from otel_stream.tui.app import Top  # noqa: PLC0415

    try:
        app = Top(
            source,
            limits=Limits(options.slow, options.stalled, options.expensive),
            trace_url=options.trace_url,
            filter=" ".join(options.filter),
            notes=options.note,
        )
        app.alarm = Alarm(app.bell if options.bell else None, options.on_alert)
    except FilterError:
        raise
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"--on-alert {options.on_alert!r}: {error}") from None
    app.run()
    return app.return_code or 0


def _source(options: argparse.Namespace, stack: ExitStack) -> Source:
    if options.replay:
        return ReplaySource(stack.enter_context(Path(options.replay).open("rb")), options.speed)
    return LiveSource(attach.gateways_of(options, _query(options)))


def _query(options: argparse.Namespace) -> str:
    return f"refresh={REFRESH_SECONDS}" + ("&text=false" if options.no_text else "")


def pages(gateways: Gateways) -> int:
    """Print the address of each gateway's page; 1 when there is none.

    The token is in the fragment: browsers send that to nobody.
    """
    found = [target.address for target in gateways.find() if target.address is not None]
    for address in found:
        print(f"{address.url}#token={address.token}")
    if not found:
        print("no gateway serves a page here; OTEL_STREAM_LIVE=tcp in its environment does", file=sys.stderr)
    return 0 if found else 1


# -- once


def once(options: argparse.Namespace) -> int:
    """Print the streams in flight and the sums, as JSON or as a table; 1 when nobody could be asked."""
    gateways = attach.gateways_of(options)
    model, now = Model(), time.time_ns()
    asked = _ask(gateways, model, now)
    if not asked:
        print(NOBODY.format(place=gateways.place), file=sys.stderr)
        return 1
    view = View(model)
    view.set_filter(" ".join(options.filter))
    rows = view.rows(now)
    if options.json:
        print(msgspec.json.encode(_told(rows, asked, now)).decode())
    else:
        print("\n".join(table(rows, model, now, _width())))
    return 0


def _ask(gateways: Gateways, model: Model, now: int) -> list[dict[str, Any]]:
    asked = []
    for target in gateways.find():
        try:
            snapshot = client.snapshot(target)
        except client.FeedError as error:
            print(error, file=sys.stderr)
            continue
        model.apply(target.key, snapshot, now)
        asked.append({"key": target.key, "at": target.where, **msgspec.to_builtins(snapshot.gateway)})
    return asked


def _told(rows: list[Row], asked: list[dict[str, Any]], now: int) -> dict[str, Any]:
    in_flight = [row for row in rows if row.is_open]
    return {
        "time_unix_nano": now,
        "gateways": asked,
        "in_flight": len(in_flight),
        "waiting": sum(row.state(now) == "waiting" for row in in_flight),
        "stalled": sum(row.state(now) == "stalled" for row in in_flight),
        "streams": [_stream(row, now) for row in rows],
    }


def _stream(row: Row, now: int) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(row.started),
        "gateway": row.gateway,
        "state": row.state(now),
        "age_s": row.age_s(now),
        "silent_s": row.silent_s(now),
        "time_to_first_token_s": row.first_token_s,
        "output_tokens": row.output_tokens,
        "output_tokens_estimated": row.tokens_are_estimated,
        "cost_usd": row.cost_usd,
        "cost_estimated": row.cost_is_estimated,
        "ended": None if row.ended is None else msgspec.to_builtins(row.ended),
    }


def table(rows: list[Row], model: Model, now: int, width: int) -> list[str]:
    """Return the screen's lines as plain text."""
    placed = [place for place in layout(width) if place.column.name not in ("spark", "gap", "rate")]
    titles = " ".join(fit(place.column.title, place.width) for place in placed)
    lines = [" ".join(_aligned(place, row, now) for place in placed) for row in rows]
    head = [_joined(totals(model, now), width), _joined(sources(model, now), width), "", titles]
    return [line.rstrip() for line in (*head, *lines)]


def _joined(segments: Any, width: int) -> str:
    return BETWEEN.join(segment.text for segment in fit_segments(segments, width)).rstrip()


def _aligned(placed: Placed, row: Row, now: int) -> str:
    text = placed.column.cell(row, now).text
    return " " * (placed.width - cells(text)) + text if placed.column.right else fit(text, placed.width)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return ONCE_WIDTH


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0; got {text}")
    return value
