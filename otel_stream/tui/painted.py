"""What our widgets share: roles of text become the theme's styles, cells become strips of the screen.

Nothing that a model or a caller wrote is ever read as markup: text goes onto the screen as it is, after it
was made harmless (`terminal`).
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

ROLES = (
    "waiting", "streaming", "thinking", "tool", "stalled",
    "completed", "error", "timeout", "cancelled", "abandoned", "incomplete", "lost",
    "alert", "dim", "strong", "title", "output", "reasoning", "tool_call", "refusal", "note",
)  # fmt: skip
"""States of a stream, channels of its text, and what else is told apart by its looks; styled in app.tcss."""

COMPONENTS = {f"role--{role}" for role in ROLES} | {"row--selected"}
"""The component classes of a widget that paints strips."""


def paint(widget: Widget, pieces: Iterable[tuple[str, str]], width: int, under: Style | None = None) -> Strip:
    """Return a line of exactly `width` cells from texts and their roles; `under` is laid over all of it."""
    plain = widget.rich_style if under is None else widget.rich_style + under
    segments = [Segment(text, _style(widget, role, plain, under)) for text, role in pieces]
    return Strip(segments).adjust_cell_length(width, plain)


def _style(widget: Widget, role: str, plain: Style, under: Style | None) -> Style:
    if not role:
        return plain
    style = widget.get_component_rich_style(f"role--{role}")
    return style if under is None else style + under
