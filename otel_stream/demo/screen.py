"""What the demo shows: a line for every stream that ended, those in flight below, and sums.

`Board` is pure, events in and lines out; `Painter` puts its lines onto a terminal, `Printer` anywhere else.
"""

from __future__ import annotations

import time
from typing import TextIO

from otel_stream.demo.tally import Tally, Totals
from otel_stream.events import Completed, Ended, Error, Outcome, Started, StreamEvent, TextDelta
from otel_stream.terminal import fit, harmless, tail

KEPT_CHARACTERS = 400  # of an answer in flight, for the end of its line
MAX_ROWS = 16  # streams in flight that are shown; a screenful is not read

MARKS: dict[Outcome, str] = {
    "completed": "✓",
    "error": "✗",
    "timeout": "✗",
    "incomplete": "✗",
    "abandoned": "✗",
    "cancelled": "-",
}
COLOURS = {"✓": "\x1b[32m", "✗": "\x1b[31m", "-": "\x1b[33m"}
DIM, BOLD, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


class Board:
    """The streams in flight and what has ended."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._texts: dict[str, str] = {}

    def add(self, event: StreamEvent) -> str | None:
        """Take an event in; return the line that tells of it when a stream ended."""
        if isinstance(event, TextDelta):
            text = event.text or "·" * min(event.length or 0, 3)
            self._texts[event.request_id] = (self._texts.get(event.request_id, "") + text)[-KEPT_CHARACTERS:]
            return None
        started = self.tally.open.get(event.request_id)
        self.tally.add(event)
        if not isinstance(event, (Completed, Error)):
            return None
        self._texts.pop(event.request_id, None)
        return ended_line(started, event)

    def in_flight(self, width: int, rows: int, now_unix_nano: int) -> list[str]:
        """Return a line of `width` cells for each stream in flight, the oldest first, at most `rows`."""
        streams = list(self.tally.open.values())
        shown = streams if len(streams) <= rows else streams[: rows - 1]
        lines = [self._open_line(started, width, now_unix_nano) for started in shown]
        if len(shown) < len(streams):
            lines.append(fit(f"  … and {len(streams) - len(shown)} more", width))
        return lines

    def _open_line(self, started: Started, width: int, now_unix_nano: int) -> str:
        seconds = max(0.0, (now_unix_nano - (started.time_unix_nano or now_unix_nano)) / 1e9)
        begin = f"{_who_asked(started)} {seconds:5.1f} s  "
        text = harmless(self._texts.get(started.request_id, "")) or "waiting for the first token"
        return fit(begin + tail(text, max(1, width - len(begin))), width)

    def sums(self) -> str:
        """Return the line of sums."""
        totals = self.tally.totals
        return (
            f"in flight {len(self.tally.open)} · ended {totals.requests} · tokens {totals.input_tokens:,} in"
            f" {totals.output_tokens:,} out · ${totals.dollars:.4f} · errors {totals.errors}"
            f" · cancelled {totals.cancelled}"
        )


def ended_line(started: Started | None, event: Ended) -> str:
    """Return what became of a stream, in one line."""
    clock = time.strftime("%H:%M:%S", time.localtime((event.time_unix_nano or 0) / 1e9))
    first = event.time_to_first_token_s
    facts = [
        f"{event.duration_s:.1f} s" if event.duration_s is not None else "",
        _tokens(event),
        _dollars(event),
        "" if isinstance(event, Completed) or event.outcome == "cancelled" else _reason(event),
        f"first after {first:.2f} s" if first is not None else "",
    ]
    who = _who_asked(started) if started else _cell(event.request_id, 46)
    told = ", ".join(filter(None, facts))
    return f"{clock} {MARKS[event.outcome]} {who} {event.outcome:<10} {told}"


def _reason(event: Error) -> str:
    return harmless(f"{event.error_type}: {event.message}"[:100])


def _tokens(event: Ended) -> str:
    if event.input_tokens is None and event.output_tokens is None:
        return "no usage reported" if event.chunks else ""
    about = "~" if event.usage_source == "estimated" else ""
    return f"{about}{event.input_tokens or 0:,} → {event.output_tokens or 0:,} tokens"


def _dollars(event: Ended) -> str:
    if event.cost_usd is None:
        return "no price" if event.output_tokens else ""
    return f"${event.cost_usd:.5f}"


def _who_asked(started: Started) -> str:
    """Agent, tenant and model in 46 cells; the longest usual model name has 26 characters."""
    return f"{_cell(f'{started.agent_type}@{started.tenant}', 19)} {_cell(started.model, 26)}"


def _cell(text: str, width: int) -> str:
    return fit(harmless(text), width)


class Printer:
    """One line for each stream that ended, and the sums now and then."""

    def __init__(self, board: Board, out: TextIO) -> None:
        self._board = board
        self._out = out

    def ended(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def refresh(self) -> None:
        """Nothing moves here."""

    def sums(self) -> None:
        print(f"         {self._board.sums()}", file=self._out, flush=True)

    def close(self) -> None:
        """Nothing to tidy up."""


class Painter:
    """Ended streams scroll by; below them those in flight are drawn anew at each refresh."""

    def __init__(self, board: Board, out: TextIO, size: tuple[int, int]) -> None:
        """`size` is (columns, rows) of the terminal; update `self.size` when it changes."""
        self.size = size
        self._board = board
        self._out = out
        self._ended: list[str] = []
        self._height = 0

    def ended(self, line: str) -> None:
        self._ended.append(line)

    def refresh(self) -> None:
        columns, rows = self.size
        block = [DIM + "─" * columns + PLAIN]
        block += self._board.in_flight(columns, max(1, min(MAX_ROWS, rows - 4)), time.time_ns())
        block.append(BOLD + fit(self._board.sums(), columns) + PLAIN)
        self._draw(block)

    def sums(self) -> None:
        """They are part of the picture."""

    def close(self) -> None:
        self._draw([])

    def _draw(self, block: list[str]) -> None:
        ended = [_coloured(fit(line, self.size[0])) for line in self._ended]
        self._ended.clear()
        up = f"\x1b[{self._height}A" if self._height else ""
        self._out.write(f"{up}\r\x1b[J" + "".join(f"{line}\n" for line in (*ended, *block)))
        self._out.flush()
        self._height = len(block)


def _coloured(line: str) -> str:
    mark = line[9:10]
    return f"{line[:9]}{COLOURS[mark]}{mark}{PLAIN}{line[10:]}" if mark in COLOURS else line


def summary(by_model: dict[str, Totals], totals: Totals, counted: Totals | None) -> list[str]:
    """Return the closing table: a row a model, their sum, and what /metrics says (None: not reached)."""
    rows = [(harmless(model), sums) for model, sums in sorted(by_model.items())]
    rows.append(("all streams", totals))
    if counted is not None:
        rows.append(("/metrics", counted))
    width = max(len(name) for name, _ in rows)
    head = f"{'':{width}} {'requests':>8} {'completed':>9} {'errors':>6} {'cancelled':>9}"
    head += f" {'tokens in':>11} {'tokens out':>10} {'dollars':>10}"
    return [head, *(_row(name, sums, width) for name, sums in rows)]


def _row(name: str, sums: Totals, width: int) -> str:
    return (
        f"{name:{width}} {sums.requests:>8,} {sums.completed:>9,} {sums.errors:>6,} {sums.cancelled:>9,}"
        f" {sums.input_tokens:>11,} {sums.output_tokens:>10,} {sums.dollars:>10.5f}"
    )
