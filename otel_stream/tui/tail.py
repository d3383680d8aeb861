"""The subcommand `otel-stream tail`: what happens, as plain lines or JSON, for pipes."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from typing import TextIO

from otel_stream.events import Started, StreamEvent, TextDelta
from otel_stream.live import client
from otel_stream.live.client import Delivery
from otel_stream.live.frames import Frame, Lagged, Snapshot
from otel_stream.live.rendezvous import RendezvousError
from otel_stream.tui import attach, lines
from otel_stream.tui.attach import NOBODY, Gateways
from otel_stream.tui.filter import FilterError, Predicate, compile_filter
from otel_stream.tui.model import Model
from otel_stream.tui.record import line_of
from otel_stream.tui.row import Row

LOOK_SECONDS = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("filter", nargs="*", help="e.g. model:gpt state:error; `top`'s ? explains it")
    parser.add_argument("--text", action="store_true", help="print the text of answers as well")
    parser.add_argument("--json", action="store_true", help="print the frames of the feed, one a line")
    parser.add_argument("--once", action="store_true", help="print what is in flight now, and end")
    attach.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print until Ctrl-C, or once; 1 when nobody is there to be watched, 2 for a wrong filter."""
    try:
        wanted = compile_filter(" ".join(options.filter))
        gateways = attach.gateways_of(options)
        tail = Tail(gateways, sys.stdout, wanted, text=options.text, as_json=options.json)
        with contextlib.closing(gateways):
            return tail.once() if options.once else tail.follow()
    except FilterError as error:
        print(error, file=sys.stderr)
        return 2
    except (RendezvousError, client.FeedError) as error:
        print(error, file=sys.stderr)
        return 1


class Tail:
    """Writes lines about streams that are wanted."""

    def __init__(
        self,
        gateways: Gateways,
        out: TextIO,
        wanted: Predicate,
        *,
        text: bool = False,
        as_json: bool = False,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.model = Model()
        self._gateways = gateways
        self._out = out
        self._wanted = wanted
        self._text = text
        self._as_json = as_json
        self._now = now
        self._open: set[str] = set()
        """Streams whose beginning was told, and whose end was not."""

    def once(self) -> int:
        """Print what is in flight; 1 when nobody could be asked."""
        targets = self._gateways.find()
        if not targets:
            print(NOBODY.format(place=self._gateways.place), file=sys.stderr)
            return 1
        for target in targets:
            snapshot = client.snapshot(target)
            if self._as_json:
                self._print_bytes(line_of(target.key, snapshot))
            self.model.apply(target.key, snapshot, self._now())
        if not self._as_json:
            now = self._now()
            for row in self.model.rows.values():
                if row.is_open and self._wanted(row, now):
                    self._print(lines.in_flight(row, now))
        return 0

    def follow(self) -> int:
        """Print what happens until the reader or the user ends it."""
        looked = 0.0
        while True:
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                self._look()
            for delivery in self._gateways.drain(wait_seconds=0.2):
                self.take(delivery)
            self._out.flush()
            self.model.expire(self._now())

    def _look(self) -> None:
        for target in self._gateways.look():
            self.model.gone(target.key, self._now())
            self.model.forget(target.key)
            if not self._as_json:
                self._print(lines.note(f"gateway {target.key} is gone", self._now()))
                self._compare(self._now())

    def take(self, delivery: Delivery) -> None:
        """Print what a gateway told."""
        key = delivery.target.key
        for frame in delivery.frames:
            self._take(key, frame)
        if delivery.link is not None and not self._as_json:
            why = f" ({delivery.note})" if delivery.note else ""
            self._print(lines.note(f"gateway {key} {delivery.link}{why}", self._now()))

    def _take(self, key: str, frame: Frame) -> None:
        now = self._now()
        self.model.apply(key, frame, now)
        if self._as_json:
            if self._is_wanted(frame, now):
                self._print_bytes(line_of(key, frame))
        elif isinstance(frame, Lagged):
            missed = "an unknown number of" if frame.missed is None else f"{frame.missed:,}"
            self._print(lines.note(f"missed {missed} events of gateway {key}", now))
        elif isinstance(frame, Snapshot):
            self._compare(now)
        else:
            self._event(frame, self.model.rows[frame.request_id], now)

    def _event(self, event: StreamEvent, row: Row, now: int) -> None:
        if isinstance(event, TextDelta):
            if self._text and event.text and self._wanted(row, now):
                self._print(lines.said(row, event.channel, event.text, event.time_unix_nano or now))
        elif isinstance(event, Started):
            self._begun(row, lines.started(row), now)
        elif row.ended is event:  # else a snapshot told it before
            self._over(row, now)

    def _compare(self, now: int) -> None:
        """Tell what a snapshot brought: streams in flight, and ends of those that were told before."""
        for row in self.model.rows.values():
            if row.is_open:
                self._begun(row, lines.in_flight(row, now), now)
            elif row.request_id in self._open:
                self._over(row, now)

    def _begun(self, row: Row, line: str, now: int) -> None:
        if row.request_id not in self._open:
            self._open.add(row.request_id)
            if self._wanted(row, now):
                self._print(line)

    def _over(self, row: Row, now: int) -> None:
        self._open.discard(row.request_id)
        if self._wanted(row, now):
            self._print(lines.ended(row, now))

    def _is_wanted(self, frame: Frame, now: int) -> bool:
        if isinstance(frame, Snapshot | Lagged):
            return True
        return self._wanted(self.model.rows[frame.request_id], now)

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")

    def _print_bytes(self, line: bytes) -> None:
        self._out.write(line.decode())
