"""A stream's text as lines of a width, kept up to date at the cost of what is new. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from otel_stream.terminal import cells, harmless
from otel_stream.tui.said import Run, Said

TITLES = {"reasoning": "thinking", "tool_call": "tool call", "refusal": "refusal"}
FOLDED = frozenset(("reasoning", "tool_call"))
"""Channels shown as one line until they are unfolded."""


class Line(NamedTuple):
    """Text that no terminal would obey; `role` is the channel, or `note` for our own words."""

    text: str
    role: str


class Wrapped:
    """The lines of one stream at one width. Make a new one when the width or the folding changes."""

    def __init__(self, width: int, *, unfolded: bool = False) -> None:
        self._width = max(1, width)
        self._unfolded = unfolded
        self._runs: list[_WrappedRun] = []

    def update(self, said: Said) -> list[Line]:
        """Return all lines as they are now."""
        for run in said.runs[len(self._runs) :]:
            self._runs.append(_WrappedRun(run, self._width))
        lines = []
        if said.missing and any(run.text for run in said.runs):
            lines.append(Line(f"… {said.missing:,} characters are not here", "note"))
        choices = len({run.index for run in said.runs}) > 1
        for wrapped in self._runs:
            lines += self._lines(wrapped, choices=choices)
        return lines

    def _lines(self, wrapped: _WrappedRun, *, choices: bool) -> Iterator[Line]:
        run = wrapped.run
        title = TITLES.get(run.channel, "")
        if choices:
            title = f"choice {run.index + 1}{', ' if title else ''}{title}"
        shown = bool(run.text) and (self._unfolded or run.channel not in FOLDED)
        if title or not shown:
            sign = "▾" if shown else "▸"
            yield Line(f"{sign} {title or 'text'}, {run.length:,} characters", "note")
        if shown:
            for text in wrapped.update():
                yield Line(text, run.channel)


class _WrappedRun:
    """The lines of one run. What was wrapped before stays, but for the last line."""

    def __init__(self, run: Run, width: int) -> None:
        self.run = run
        self._width = width
        self._lines: list[str] = []
        self._dropped = 0
        self._open = 0
        """Where in the run's text its last line begins."""

    def update(self) -> list[str]:
        if self.run.dropped != self._dropped:
            self._dropped = self.run.dropped
            self._lines, self._open = [], 0
        if self._lines:
            self._lines.pop()
        rest = harmless_lines(self.run.text[self._open :])
        for begin, end in breaks(rest, self._width):
            self._lines.append(rest[begin:end].rstrip("\n"))
            last = begin
        self._open += last
        return self._lines


def harmless_lines(text: str) -> str:
    """Return the text without anything a terminal would obey, its line ends kept; as long as before."""
    if text.isascii() and text.isprintable():
        return text
    return "\n".join(map(harmless, text.split("\n")))


def breaks(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each line of at most `width` cells; broken at spaces where there are any."""
    begin = 0
    while True:
        newline = text.find("\n", begin)
        first = begin
        end = len(text) if newline < 0 else newline
        while cells(text[begin:end]) > width:
            cut = _cut(text, begin, end, width)
            yield begin, cut
            begin = cut
        if begin < end or begin == first:
            yield begin, end
        if newline < 0:
            return
        begin = newline + 1


def flow(pieces: Iterable[str], width: int, between: str = "   ") -> list[str]:
    """Return lines of pieces, as many on a line as fit; one that is too long takes several lines."""
    lines: list[str] = []
    for piece in pieces:
        if lines and cells(lines[-1] + between + piece) <= width:
            lines[-1] += between + piece
        else:
            lines += [piece[begin:end] for begin, end in breaks(piece, max(1, width))]
    return lines


def _cut(text: str, begin: int, end: int, width: int) -> int:
    """Return where a line that is too long is cut: after the last space that fits, else where it is full."""
    used, full = 0, begin
    while full < end and used + (step := cells(text[full])) <= width:
        used += step
        full += 1
    full = max(full, begin + 1)  # a wide character in a column of one cell
    if text[full : full + 1] == " ":
        return full + 1
    space = text.rfind(" ", begin, full)
    return full if space < 0 else space + 1
