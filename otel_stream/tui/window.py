"""The window of `otel-stream top`: ten times a second it asks its source and draws what changed.

What there is to decide is decided in the pure modules (`model`, `view`, `columns`, `totals` …); this one
carries their lines to the widgets, and `app` the keys to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.events import Resize
from textual.widgets import Footer, Input, Static

from otel_stream.terminal import harmless
from otel_stream.tui.alarm import Alarm
from otel_stream.tui.columns import COLUMNS, GATEWAY, Column
from otel_stream.tui.details import details
from otel_stream.tui.groups import GROUP_COLUMNS, group
from otel_stream.tui.limits import Limits, Watcher
from otel_stream.tui.model import Model
from otel_stream.tui.panels import DetailsPanel, FollowedText, Notes, Totals
from otel_stream.tui.row import Row
from otel_stream.tui.saving import Recorder
from otel_stream.tui.sources import ReplaySource, Source
from otel_stream.tui.table import Grid, StreamTable
from otel_stream.tui.totals import Segment, joined, sources, sums, totals
from otel_stream.tui.view import View

TICK_SECONDS = 0.1
DEFAULT_LIMITS = Limits()
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NARROW = 100  # columns below which the details give way to the text
LOW, SHORT = 30, 20  # lines below which text and details are small, and below which they are not there


class Window(App[None]):
    """One window on one source."""

    CSS_PATH = "app.tcss"
    TITLE = "otel-stream top"
    COMMAND_PALETTE_BINDING = "colon"

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits = DEFAULT_LIMITS,
        alarm: Alarm | None = None,
        trace_url: str = "",
        folder: Path = Path(),
        filter: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        """`folder` is where recordings and exports go; `notes` stand below the streams.

        Raises: FilterError.
        """
        super().__init__()
        self.source = source
        self.model = Model()
        self.view = View(self.model)
        self.view.set_filter(filter)
        self.paused = False
        self.trace_url = trace_url
        self.folder = folder
        self.recorder: Recorder | None = None
        self.grouping = ""
        self.sorted_by = ""
        self.descending = False
        self.before: list[tuple[str, str]] = []
        """Filters and groupings that Esc goes back to."""
        self.stood_at = 0
        """How many events the model had seen when the picture was made to stand."""
        self._notes = notes
        self._limits = Watcher(limits)
        self.alarm = alarm

    def compose(self) -> ComposeResult:
        yield Totals(id="totals")
        yield StreamTable(id="table")
        with Horizontal(id="below"):
            yield FollowedText(id="text")
            yield DetailsPanel(id="details")
        yield Notes(self._notes, id="notes")
        yield Static(id="problem", markup=False)
        yield Input(
            id="filter", placeholder="model:gpt state:stalled cost>0.05 ttft>2s", select_on_focus=False
        )
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.table = self.query_one(StreamTable)
        self.text = self.query_one(FollowedText)
        self.panel = self.query_one(DetailsPanel)
        self.totals = self.query_one(Totals)
        self.filter_line = self.query_one(Input)
        self.problem = self.query_one("#problem", Static)
        self.table.focus()
        self._end_on_signals()
        self.set_interval(TICK_SECONDS, self.tick)

    def _end_on_signals(self) -> None:
        """Give the terminal back whoever ends us."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows
            for number in ENDING:
                loop.add_signal_handler(number, self.exit)

    def on_resize(self, event: Resize) -> None:
        self.screen.set_class(event.size.width < NARROW, "-narrow")
        self.screen.set_class(event.size.height < LOW, "-low")
        self.screen.set_class(event.size.height < SHORT, "-short")

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):
            for number in ENDING:
                loop.remove_signal_handler(number)
        self.source.close()
        if self.recorder is not None:
            self.recorder.close()

    def complain(self, text: str) -> None:
        """Say what is wrong in a line above the keys, or take that away."""
        self.problem.update(harmless(text))
        self.problem.set_class(bool(text), "-open")

    # -- ten times a second ------------------------------------------------------------------------

    def tick(self) -> None:
        """Take what has come and show it, unless the picture stands."""
        frames = self.source.poll(self.model)
        now = self.source.now()
        if self.recorder is not None:
            self.recorder.write(frames)
        crossings = self._limits.look(self.model.rows.values(), now)
        if self.alarm is not None:
            self.alarm(crossings)
        if self.paused:
            self.totals.show(self._totals(now))
            return
        self.model.expire(now)
        self.paint(now)

    def paint(self, now: int) -> None:
        """Show the model as it is."""
        rows = self.view.rows(now)
        self.table.show(self._groups(rows, now) if self.grouping else self._streams(rows, now))
        self.totals.show(self._totals(now))
        self.paint_selected(now)

    def _streams(self, rows: list[Row], now: int) -> Grid:
        several = len({row.gateway for row in rows}) > 1
        columns: tuple[Column[Row], ...] = (*COLUMNS, GATEWAY) if several else COLUMNS
        keys = [row.request_id for row in rows]
        return Grid(rows, keys, columns, now, self.sorted_by, self.descending, self._hint())

    def _groups(self, rows: list[Row], now: int) -> Grid:
        groups = group(rows, self.grouping, now)
        return Grid(groups, [found.value for found in groups], GROUP_COLUMNS, now, hint=self._hint())

    def _hint(self) -> str:
        if not self.model.feeds and not self.model.rows:
            return self.source.hint()
        return "nothing matches the filter" if self.view.filter else "no streams in flight"

    def paint_selected(self, now: int) -> None:
        row = self.selected_row
        self.text.follow(row, self._text_hint(row))
        self.panel.show([] if row is None else details(row, self.model, now, self.trace_url))

    def _text_hint(self, row: Row | None) -> str:
        if row is None:
            return ""
        feed = self.model.feeds.get(row.gateway)
        if feed is not None and feed.info is not None and not feed.info.text:
            return "this gateway keeps text off the live feed (OTEL_STREAM_LIVE_TEXT)"
        if row.chunks:
            return "it has said nothing since you watch"
        return "nothing was said yet" if row.is_open else "it said nothing"

    @property
    def selected_row(self) -> Row | None:
        """The stream under the cursor; None for a group, or without any."""
        return None if self.grouping else self.model.rows.get(self.table.selected)

    def _totals(self, now: int) -> list[list[Segment]]:
        second = sources(self.model, now)
        if self.recorder is not None:
            second.insert(-1, Segment(f"● recording {self.recorder.written:,}", "alert", 9))
        told = self._told()
        room = self.totals.size.width - 1
        shown = [totals(self.model, now), *joined(second, sums(self.model), room)]
        return [*shown, told] if told else shown

    def _told(self) -> list[Segment]:
        """Return what makes this view other than the usual one."""
        source = self.source
        replay = source if isinstance(source, ReplaySource) else None
        failure = self.alarm.failure if self.alarm is not None else ""
        parts = [
            (f"PAUSED, {self.model.applied - self.stood_at:,} events since", self.paused),
            (f"replay {replay.speed:g}x" if replay else "", replay is not None),
            ("the recording ends here", replay is not None and replay.ended),
            (f"filter {self.view.filter}", self.view.filter),
            ("errors only", self.view.errors_only),
            (f"by {self.grouping}", self.grouping),
            (f"alert: {failure}", failure),
        ]
        return [
            Segment(text, "alert" if ":" in text or self.paused else "note") for text, shown in parts if shown
        ]
