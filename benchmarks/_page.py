"""Our own numbers as they stand in docs/benchmarks.md, between two marks; `bench-peers` writes the rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from benchmarks import _harness
from benchmarks._harness import Row

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin bench -->", "<!-- end bench -->"


def block() -> str:
    """Return what stands there now, its marks included."""
    _, found, rest = PAGE.read_text("utf-8").partition(BEGIN)
    return f"{BEGIN}{rest.partition(END)[0] if found else ''}{END}"


def write(rows: Sequence[Row]) -> None:
    """Put the rows there."""
    page = PAGE.read_text("utf-8")
    PAGE.write_text(page.replace(block(), f"{BEGIN}\n{markdown(rows)}\n{END}"), "utf-8")


def markdown(rows: Sequence[Row]) -> str:
    """Return the conditions, the rows as a table, and the count of the targets."""
    lines = [("what", "target", "measured", "baseline in the same run", ""), ("---",) * 5]
    lines += [row.cells() for row in rows]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    day = dt.datetime.now(dt.timezone.utc).date().isoformat()
    return f"{day}: {_harness.conditions()}.\n\n{table}\n\n{_harness.closing(rows)}"
