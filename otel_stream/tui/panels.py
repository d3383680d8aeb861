"""The panels around the table: totals above, the followed text and the details below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from otel_stream.terminal import fit, harmless
from otel_stream.tui.details import Detail
from otel_stream.tui.painted import COMPONENTS, paint
from otel_stream.tui.row import Row
from otel_stream.tui.totals import BETWEEN, Segment, fit_segments
from otel_stream.tui.wrap import Line, Wrapped, breaks, flow


class Totals(Widget):
    """Lines of segments; those that do not fit are left out by their need."""

    COMPONENT_CLASSES = COMPONENTS

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lines: list[list[Segment]] = []

    def show(self, lines: list[list[Segment]]) -> None:
        """Show these lines from now on."""
        if lines != self._lines:
            taller = len(lines) != len(self._lines)
            self._lines = lines
            self.refresh(layout=taller)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """Return how many lines there are."""
        return max(1, len(self._lines))

    def render_line(self, y: int) -> Strip:
        """Return one of the lines."""
        width = self.size.width
        if y >= len(self._lines):
            return paint(self, [], width)
        pieces: list[tuple[str, str]] = [(" ", "")]
        for segment in fit_segments(self._lines[y], width - 1):
            pieces += [(segment.text, segment.role), (BETWEEN, "")]
        return paint(self, pieces, width)


class FollowedText(ScrollView, can_focus=True):
    """What a stream says, wrapped; stays at the end while the end is in view."""

    COMPONENT_CLASSES = COMPONENTS

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f", "fold", "unfold thinking")]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._row: Row | None = None
        self._wrapped = Wrapped(1)
        self._lines: list[Line] = []
        self._hint = ""
        self.unfolded = False
        self._at_end = True

    def follow(self, row: Row | None, hint: str = "") -> None:
        """Show this stream's text; `hint` where there is none."""
        if row is not self._row:
            self._row = row
            self._at_end = True
            self._begin()
            self.refresh()
        self._hint = hint
        self.bring_up_to_date()

    def bring_up_to_date(self) -> None:
        """Show what has been said since."""
        lines = [] if self._row is None else self._wrapped.update(self._row.said)
        if self._hint and not (self._row is not None and any(run.text for run in self._row.said.runs)):
            lines = [Line(self._hint, "note"), *lines]
        if lines == self._lines:
            return
        self._lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        if self._at_end:
            self.scroll_end(animate=False, x_axis=False)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stay at the end from when somebody scrolls there, until somebody scrolls up."""
        super().watch_scroll_y(old_value, new_value)
        self._at_end = new_value >= self.max_scroll_y

    def action_fold(self) -> None:
        """Show thinking and tool calls in full, or in one line each."""
        self.unfolded = not self.unfolded
        self._begin()
        self.bring_up_to_date()

    def _begin(self) -> None:
        self._wrapped = Wrapped(self.scrollable_content_region.width, unfolded=self.unfolded)
        self._lines = []

    def on_resize(self) -> None:
        self._begin()
        self.bring_up_to_date()

    def render_line(self, y: int) -> Strip:
        """Return one line of the text."""
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        if index >= len(self._lines):
            return paint(self, [], width)
        line = self._lines[index]
        return paint(self, [(line.text, line.role)], width)


class DetailsPanel(ScrollView, can_focus=True):
    """Labels and values."""

    COMPONENT_CLASSES = COMPONENTS

    LABEL = 12

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._details: Sequence[Detail] = ()
        self._lines: list[Detail] = []

    def show(self, details: Sequence[Detail]) -> None:
        """Show these from now on; long values take several lines."""
        if details != self._details:
            self._details = details
            self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = max(1, self.scrollable_content_region.width - self.LABEL)
        self._lines = [
            detail._replace(label="" if begin else detail.label, value=detail.value[begin:end])
            for detail in self._details
            for begin, end in breaks(detail.value, width)
        ]
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        if index >= len(self._lines):
            return paint(self, [], width)
        label, value, role, link = self._lines[index]
        under = Style(link=link) if link else None
        return paint(self, [(fit(label, self.LABEL), "dim"), (value, role)], width, under)


class Notes(Static):
    """What somebody wanted to have said below the streams."""

    def __init__(self, notes: Sequence[str], **options: Any) -> None:
        super().__init__(markup=False, **options)
        self._notes = [harmless(note) for note in notes]
        self.set_class(not notes, "-off")

    def on_resize(self) -> None:
        """Put as many on a line as fit."""
        self.update("\n".join(flow(self._notes, self.scrollable_content_region.width)))
