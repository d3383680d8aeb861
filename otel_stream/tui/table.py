"""The table of streams: draws only what is seen, and of that only the lines that changed.

Ten times a second a DataTable would be told every cell of every row; here a row that is not on the screen
costs nothing, so the table's CPU depends on the window and not on the number of streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from otel_stream.terminal import cells, fit
from otel_stream.tui.columns import Cell, Column, Placed, layout
from otel_stream.tui.painted import COMPONENTS, paint


class Grid(NamedTuple):
    """What the table shows: rows of any kind, a key for each, and the columns that read them at a time."""

    rows: Sequence[Any]
    keys: Sequence[str]
    columns: Sequence[Column[Any]]
    now: int
    sorted_by: str = ""
    descending: bool = False
    hint: str = ""
    """Shown while there are no rows."""


class StreamTable(ScrollView, can_focus=True):
    """Rows with a cursor that stays on its row, wherever that moves."""

    COMPONENT_CLASSES = COMPONENTS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "move(-1000000)", "first", show=False),
        Binding("end", "move(1000000)", "last", show=False),
        Binding("enter", "open", "follow"),
    ]

    selected: reactive[str] = reactive("", repaint=False)
    """The key of the row under the cursor; empty without rows."""

    class Moved(Message):
        """Another row is under the cursor."""

    class Opened(Message):
        """Somebody wants to see more of the row with this key."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class TitleClicked(Message):
        """Somebody wants the rows sorted by the column of this name."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._grid = Grid((), (), (), 0)
        self._placed: list[Placed] = []
        self._cursor = 0
        self._chosen = False
        """Somebody moved the cursor; until then it stays on top, where streams are in flight."""
        self._drawn: dict[int, list[Cell]] = {}
        """Cells of the lines on the screen, by row, as they were drawn last."""

    # -- what is shown -----------------------------------------------------------------------------

    def show(self, grid: Grid) -> None:
        """Show this from now on; the cursor stays on its row, or where that was."""
        changed = [c.name for c in grid.columns] != [c.name for c in self._grid.columns]
        title = (grid.sorted_by, grid.descending, grid.hint, len(grid.rows) == 0)
        retitled = title != self._title()
        self._grid = grid
        if changed:
            self._place()
        self._keep_cursor()
        if self.virtual_size.height != len(grid.rows) + 1:
            self.virtual_size = Size(self.size.width, len(grid.rows) + 1)
        if changed or retitled:
            self._drawn.clear()
            self.refresh()
        else:
            self._refresh_changed()

    def release(self) -> None:
        """Let the cursor be on top again, whichever stream is there."""
        self._chosen = False
        self.scroll_home(animate=False)

    def freeze(self) -> None:
        """Keep all rows as they are now, also those that are scrolled to later."""
        for index in range(len(self._grid.rows)):
            self._drawn[index] = self._cells(index)

    def _title(self) -> tuple[object, ...]:
        grid = self._grid
        return (grid.sorted_by, grid.descending, grid.hint, len(grid.rows) == 0)

    def _keep_cursor(self) -> None:
        keys = self._grid.keys
        before = self.selected
        if not self._chosen:
            self._cursor = 0
        elif self._cursor >= len(keys) or keys[self._cursor] != before:
            self._cursor = keys.index(before) if before in keys else min(self._cursor, max(0, len(keys) - 1))
        self.selected = keys[self._cursor] if keys else ""
        if self.selected != before:
            self.post_message(self.Moved())

    def _refresh_changed(self) -> None:
        """Draw anew the lines on the screen whose cells have changed."""
        top = self.scroll_offset.y
        drawn, self._drawn = self._drawn, {}
        for line in range(1, self.size.height):
            index = top + line - 1
            if index >= len(self._grid.rows):
                break
            cells_now = self._drawn[index] = self._cells(index)
            if drawn.get(index) != cells_now:
                self.refresh_lines(line)
        if len(drawn) > len(self._drawn):
            self.refresh()

    def _cells(self, index: int) -> list[Cell]:
        row, now = self._grid.rows[index], self._grid.now
        return [placed.column.cell(row, now) for placed in self._placed]

    # -- drawing -----------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen: the title, a row, the hint, or nothing."""
        width = self.scrollable_content_region.width
        if y == 0:
            return paint(
                self, [(self._titles(), "title")], width, self.get_component_rich_style("role--title")
            )
        index = self.scroll_offset.y + y - 1
        if index < len(self._grid.rows):
            return self._row(index, width)
        if not self._grid.rows and y == 2:  # noqa: PLR2004 - a line below the title
            return paint(self, [(f"  {self._grid.hint}", "dim")], width)
        return paint(self, [], width)

    def refresh_lines(self, y: int, count: int = 1) -> None:
        """Draw lines of the screen anew."""
        self.refresh(Region(0, y, self.size.width, count))

    def _row(self, index: int, width: int) -> Strip:
        found = self._drawn.get(index)
        if found is None:
            found = self._drawn[index] = self._cells(index)
        pieces = []
        for placed, cell in zip(self._placed, found, strict=True):
            pieces += [(_fit(cell.text, placed), cell.role), (" ", "")]
        selected = self.get_component_rich_style("row--selected", partial=True)
        return paint(self, pieces, width, selected if index == self._cursor else None)

    def _titles(self) -> str:
        return " ".join(_fit(self._titled(placed.column), placed) for placed in self._placed)

    def _titled(self, column: Column[Any]) -> str:
        if column.name != self._grid.sorted_by:
            return column.title
        return column.title + ("▼" if self._grid.descending else "▲")

    # -- what the user does --------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        self._place()
        self.virtual_size = Size(event.size.width, len(self._grid.rows) + 1)

    def _place(self) -> None:
        self._placed = layout(self.scrollable_content_region.width, self._grid.columns)
        self._drawn.clear()

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows, as far as there are any."""
        keys = self._grid.keys
        self._select(max(0, min(len(keys) - 1, self._cursor + by)))

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.action_move(by * max(1, self.size.height - 2))

    def action_open(self) -> None:
        """Ask for more of the row under the cursor."""
        self._chosen = True
        if self.selected:
            self.post_message(self.Opened(self.selected))

    def on_click(self, event: Click) -> None:
        if event.y == 0:
            column = self._column_at(event.x)
            if column is not None:
                self.post_message(self.TitleClicked(column.name))
            return
        index = self.scroll_offset.y + event.y - 1
        if index >= len(self._grid.rows):
            return
        if index == self._cursor and event.chain > 1:
            self.action_open()
        self._select(index)

    def _column_at(self, x: int) -> Column[Any] | None:
        for placed in self._placed:
            x -= placed.width + 1
            if x < 0:
                return placed.column
        return None

    def _select(self, index: int) -> None:
        if not self._grid.keys:
            return
        self._chosen = True
        before, self._cursor = self._cursor, index
        self.selected = self._grid.keys[index]
        self.scroll_to_region(Region(0, index, 1, 2), animate=False)
        for row in {before, index}:
            self.refresh_lines(row - self.scroll_offset.y + 1)
        if before != index:
            self.post_message(self.Moved())


def _fit(text: str, placed: Placed) -> str:
    missing = placed.width - cells(text)
    return " " * missing + text if placed.column.right and missing > 0 else fit(text, placed.width)
