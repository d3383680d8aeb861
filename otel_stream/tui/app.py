"""`otel-stream top`: what its keys do. What it shows is `window`'s business."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from otel_stream.tui.columns import COLUMNS, SORT_KEYS
from otel_stream.tui.details import link_of
from otel_stream.tui.filter import FilterError
from otel_stream.tui.groups import GROUPINGS
from otel_stream.tui.help import Help
from otel_stream.tui.row import Row
from otel_stream.tui.saving import Recorder, save_events, save_spans
from otel_stream.tui.sources import ReplaySource
from otel_stream.tui.table import StreamTable
from otel_stream.tui.window import Window


class Top(Window):
    """One window on one source, and its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("question_mark", "help", "help"),
        Binding("slash", "filter", "filter"),
        Binding("s", "sort(1)", "sort"),
        Binding("S", "reverse", "reverse", show=False),
        Binding("e", "errors", "errors"),
        Binding("g", "group", "group"),
        Binding("p,space", "pause", "pause"),
        Binding("r", "record", "record", show=False),
        Binding("x", "export('events')", "export", show=False),
        Binding("X", "export('spans')", "export as OTLP", show=False),
        Binding("d", "dismiss_row", "dismiss", show=False),
        Binding("D", "dismiss_all", "dismiss all", show=False),
        Binding("f", "fold", "unfold", show=False),
        Binding("o", "open_trace", "open trace", show=False),
        Binding("y", "copy('id')", "copy id", show=False),
        Binding("Y", "copy('text')", "copy text", show=False),
        Binding("1", "panel('totals')", "totals", show=False),
        Binding("2", "panel('table')", "table", show=False),
        Binding("3", "panel('text')", "text", show=False),
        Binding("4", "panel('details')", "details", show=False),
        Binding("5", "panel('notes')", "notes", show=False),
        Binding("left_square_bracket", "speed(0.5)", "slower", show=False),
        Binding("right_square_bracket", "speed(2)", "faster", show=False),
        Binding("escape", "leave", "back", show=False),
    ]

    # -- which streams -----------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the line for the filter."""
        self.filter_line.value = self.view.filter
        self.filter_line.display = True
        self.screen.set_focus(self.filter_line)  # at once: `focus` would lose what is typed meanwhile

    @on(Input.Changed)
    def filter_changed(self, event: Input.Changed) -> None:
        """Filter while somebody types, as far as it can be understood."""
        try:
            self.view.set_filter(event.value)
        except FilterError as error:
            self.complain(str(error))
        else:
            self.complain("")

    @on(Input.Submitted)
    def filter_submitted(self) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.filter_line.display = False
        self.complain("")
        self.screen.set_focus(self.table)

    def action_errors(self) -> None:
        """Show bad ends only, or everything again."""
        self.view.errors_only = not self.view.errors_only

    def action_group(self) -> None:
        """Sum the streams up by the next field, or show them one by one again."""
        self.grouping = GROUPINGS[(GROUPINGS.index(self.grouping) + 1) % len(GROUPINGS)]

    def action_dismiss_row(self) -> None:
        """Drop the stream under the cursor if it has ended."""
        self.model.dismiss([self.table.selected])

    def action_dismiss_all(self) -> None:
        """Drop all streams that have ended."""
        self.model.dismiss(list(self.model.rows))

    # -- in which order ----------------------------------------------------------------------------

    def action_sort(self, by: int) -> None:
        """Sort by the next column."""
        names = [column.name for column in COLUMNS]
        at = names.index(self.sorted_by) if self.sorted_by in names else -1
        self._sort(names[(at + by) % len(names)], descending=False)

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._sort(self.sorted_by or "id", descending=not self.descending)

    @on(StreamTable.TitleClicked)
    def title_clicked(self, event: StreamTable.TitleClicked) -> None:
        same = event.column == self.sorted_by
        if not self.grouping:
            self._sort(event.column, descending=same and not self.descending)

    def _sort(self, name: str, *, descending: bool) -> None:
        self.sorted_by, self.descending = name, descending
        self.view.sort(SORT_KEYS[name], self.source.now(), descending=descending)

    # -- one stream --------------------------------------------------------------------------------

    @on(StreamTable.Moved)
    def cursor_moved(self) -> None:
        self.paint_selected(self.source.now())

    @on(StreamTable.Opened)
    def row_opened(self, event: StreamTable.Opened) -> None:
        """Follow a stream's text; of a group show its streams."""
        if self.grouping:
            self.before.append((self.view.filter, self.grouping))
            wanted = f'{self.view.filter} {self.grouping}="{event.key}"'
            self.grouping = ""
            self.view.set_filter(wanted)
        else:
            self.screen.add_class("-following")
            self.text.focus()

    def action_leave(self) -> None:
        """Leave what was entered last: the filter's line, the text, a group, the filter."""
        if self.filter_line.display:
            self.view.set_filter("")
            self._close_filter()
        elif self.screen.has_class("-following"):
            self.screen.remove_class("-following")
            self.table.focus()
        elif self.before:
            wanted, self.grouping = self.before.pop()
            self.view.set_filter(wanted)
        elif self.table.has_focus:
            self.view.set_filter("")
            self.grouping = ""
            self.table.release()
        else:
            self.table.focus()

    def action_fold(self) -> None:
        """Unfold thinking and tool calls, or fold them again."""
        self.text.action_fold()

    def action_open_trace(self) -> None:
        """Open the selected stream's trace in a browser."""
        row = self.selected_row
        link = link_of(row, self.trace_url) if row is not None else ""
        if link:
            webbrowser.open(link)
        else:
            self.complain(
                "no trace to open: start with --trace-url, e.g. http://localhost:16686/trace/{trace_id}"
            )

    def action_copy(self, what: str) -> None:
        """Copy the selected stream's id or its text."""
        row = self.selected_row
        if row is not None:
            self.copy_to_clipboard(row.request_id if what == "id" else row.said.text())
            self.notify(f"{what} copied", timeout=2)

    # -- the picture -------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Let the picture stand, or go on; a recording's time stands as well."""
        self.paused = not self.paused
        self.stood_at = self.model.applied
        if isinstance(self.source, ReplaySource):
            self.source.paused = self.paused
        if self.paused:
            self.table.freeze()

    def action_speed(self, factor: float) -> None:
        """Play a recording slower or faster."""
        if isinstance(self.source, ReplaySource):
            self.source.faster(factor)

    def action_panel(self, name: str) -> None:
        """Show a panel, or hide it."""
        self.query_one(f"#{name}").toggle_class("-off")
        below = self.query_one("#below")
        below.set_class(all(child.has_class("-off") for child in below.children), "-off")
        (self.text if self.table.has_class("-off") else self.table).focus()

    def action_help(self) -> None:
        """Show keys, signs and the filter language."""
        self.push_screen(Help())

    def get_system_commands(self, screen: Screen[None]) -> Iterable[SystemCommand]:
        """Return what `:` offers: the keys' actions, and Textual's own commands."""
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and binding.action not in ("quit", "help", "leave"):
                action = partial(self.run_action, binding.action)
                key = self.get_key_display(binding).partition(",")[0]
                yield SystemCommand(binding.description, f"the key {key}", action)
        yield from super().get_system_commands(screen)

    # -- files -------------------------------------------------------------------------------------

    def action_record(self) -> None:
        """Write what happens to a file, or stop."""
        if self.recorder is not None:
            self.recorder.close()
            self.notify(f"{self.recorder.written:,} frames in {self.recorder.path}", markup=False)
            self.recorder = None
            return
        try:
            self.recorder = Recorder(self.folder, self.source.now())
        except OSError as error:
            self.complain(f"cannot record: {error}")

    def action_export(self, kind: str) -> None:
        """Write the selected stream to a file; of a group all that are shown."""
        now = self.source.now()
        rows: list[Row] = [self.selected_row] if self.selected_row is not None else self.view.rows(now)
        if not rows:
            return
        try:
            if kind == "spans":
                path = save_spans(self.folder, rows, self._services(), now)
            else:
                path = save_events(self.folder, rows, now)
        except OSError as error:
            self.complain(f"cannot export: {error}")
        else:
            self.notify(f"written to {path}", markup=False)

    def _services(self) -> dict[str, str]:
        return {feed.key: feed.info.service for feed in self.model.feeds.values() if feed.info is not None}
