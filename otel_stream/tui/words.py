"""Figures in few characters, the same on screen, in plain lines and in what is copied. Pure."""

from __future__ import annotations

import re

from otel_stream.tui.row import Row, State

UNKNOWN = "-"

_DATE = re.compile(r"[-@]20\d{2}-?\d{2}-?\d{2}$")
_MINUTE, _HOUR = 60, 3600
_DIGITS = ((10, 2), (1, 3), (0.001, 4), (0, 5))
"""From so many dollars on, so many digits after the point."""
_SHORT = 10  # seconds below which hundredths are of interest
_ID = 8  # characters of a random id that tell it apart from its neighbours

SYMBOLS: dict[State, str] = {
    "waiting": "○",
    "streaming": "●",
    "thinking": "◐",
    "tool": "◆",
    "stalled": "!",
    "completed": "✓",
    "error": "✗",
    "timeout": "✗",
    "cancelled": "⊘",
    "abandoned": "✗",
    "incomplete": "✗",
    "lost": "?",
}
"""Beside the word, so that colour is never the only signal."""


def state(row: Row, now: int) -> str:
    """Return symbol and word, at most 12 characters."""
    found = row.state(now)
    return f"{SYMBOLS[found]} {found}"


def short_id(request_id: str) -> str:
    """Return the end of an id, enough to tell streams apart."""
    return request_id.removeprefix("req_")[-_ID:]


def short_model(model: str) -> str:
    """Return a model's name without the date of its version."""
    return _DATE.sub("", model)


def seconds(value: float | None) -> str:
    """Return at most 6 characters: `0.42s`, `12.3s`, `2m05s`, `1h02m`."""
    if value is None:
        return UNKNOWN
    if value < _SHORT:
        return f"{value:.2f}s"
    if value < _MINUTE:
        return f"{value:.1f}s"
    if value < _HOUR:
        return f"{int(value // _MINUTE)}m{int(value % _MINUTE):02d}s"
    return f"{int(value // _HOUR)}h{int(value % _HOUR // _MINUTE):02d}m"


def gap(value: float | None) -> str:
    """Return a gap between chunks, to the millisecond while that is of interest."""
    if value is None:
        return UNKNOWN
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.1f}s"


def gaps(row: Row) -> str:
    """Return median and 95th percentile of a row's gaps."""
    middle = row.gap_s(0.5)
    return UNKNOWN if middle is None else f"{gap(middle)}/{gap(row.gap_s(0.95))}"


def count(value: float, *, estimated: bool = False) -> str:
    """Return a number in at most 7 characters, `~` before an estimate."""
    about = "~" if estimated and value else ""
    if value < 100_000:  # noqa: PLR2004 - what fits
        return f"{about}{value:,.0f}"
    return f"{about}{value / 1e3:,.0f}k" if value < 1e7 else f"{about}{value / 1e6:,.0f}M"  # noqa: PLR2004


def tokens(row: Row) -> str:
    return count(row.output_tokens, estimated=row.tokens_are_estimated)


def rate(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def money(value: float | None, *, estimated: bool = False) -> str:
    """Return dollars with as many digits as matter, `~` before an estimate, `-` where no price is known."""
    if value is None:
        return UNKNOWN
    if not value:
        return "$0"
    digits = next(digits for least, digits in _DIGITS if value >= least)
    return f"{'~' if estimated else ''}${value:,.{digits}f}"


def cost(row: Row) -> str:
    return money(row.cost_usd, estimated=row.cost_is_estimated)
