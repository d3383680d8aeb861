"""The results as Markdown and as a plot: docs/benchmarks.md and docs/images/benchmarks.svg."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from benchmarks import _page
from benchmarks.peers.registry import OURS, ROOT, Peer

PAGE, PLOT = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "images" / "benchmarks.svg"
TEMPLATE = Path(__file__).with_name("page.md")
FILES = tuple(str(path.relative_to(ROOT)) for path in (PAGE, PLOT))
INPUT, OUTPUT = 7, 5  # what the provider says in the scenarios


@dataclass(frozen=True, slots=True)
class Times:
    """CPU in us: a chunk without the instrumentation and what it adds, likewise a stream."""

    bare: float
    added: float
    fixed: float
    bare_fixed: float


@dataclass(slots=True)
class Result:
    """Everything measured of one peer; `failure` says why there is nothing."""

    peer: Peer
    python: Path = Path()
    failure: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=dict)
    held_bytes: float = 0.0


def write(results: Sequence[Result]) -> None:
    """Write the page and its plot."""
    PAGE.write_text(markdown(results), "utf-8")
    PLOT.write_text(plot(results), "utf-8")


def markdown(results: Sequence[Result]) -> str:
    """Return the page."""
    measured = [result for result in results if result.failure is None]
    missing = [f"- {result.peer.title}: {result.failure}" for result in results if result.failure is not None]
    return TEMPLATE.read_text("utf-8").format(
        bench=_page.block(),
        when=dt.datetime.now(dt.timezone.utc).date().isoformat(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        machine=f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores",
        load=f"{os.getloadavg()[0]:.1f}",
        costs=_table(_COSTS, measured),
        bare=_bare(measured),
        scenarios=_scenarios(measured),
        scores=_table(_SCORES, measured),
        versions=_versions(measured),
        missing="\n".join(["Could not be measured this time:", "", *missing, ""]) if missing else "",
    )


# -- tables --------------------------------------------------------------------------------------------


def _us(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.1f}"


Columns = tuple[tuple[str, Callable[[Result], str]], ...]


def _raw(result: Result) -> str:
    seen = bool(result.records["raw pass-through"]["spans"])
    return _us(result.times["raw"].added) if seen else "not seen"


_COSTS: Columns = (
    ("instrumentation", lambda result: f"**{result.peer.title}**" if _is_ours(result) else result.peer.title),
    ("a chunk, sync, µs", lambda result: _us(result.times["sync"].added)),
    ("a chunk, async, µs", lambda result: _us(result.times["async"].added)),
    ("a stream, sync, µs", lambda result: _us(result.times["sync"].fixed)),
    ("a stream, async, µs", lambda result: _us(result.times["async"].fixed)),
    ("held by an open stream, KiB", lambda result: _us(result.held_bytes / 1024)),
    ("a chunk of a raw pass-through, µs", _raw),
)


def _is_ours(result: Result) -> bool:
    return result.peer.name == OURS


def _table(columns: Columns, results: Iterable[Result]) -> str:
    rows = [[read(result) for _, read in columns] for result in results]
    return _markdown([title for title, _ in columns], rows)


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _bare(results: Sequence[Result]) -> str:
    rows = [
        [result.peer.title, *(f"{_us(result.times[kind].bare)}" for kind in ("sync", "async", "raw"))]
        for result in results
    ]
    return _markdown(["in the environment of", "sync", "async", "raw pass-through"], rows)


def _versions(results: Sequence[Result]) -> str:
    return "\n".join(
        f"- {result.peer.title}: " + ", ".join(f"{name} {number}" for name, number in result.versions.items())
        for result in results
    )


# -- scenarios -----------------------------------------------------------------------------------------


def _ended(record: dict[str, Any]) -> bool:
    return bool(record["spans"]) and record["ended"]


def _billed(record: dict[str, Any]) -> bool:
    """Ended, not told as a success, and something said of what was billed."""
    return _ended(record) and record["status"] != "OK" and bool(record["output_tokens"])


def _failed(record: dict[str, Any]) -> bool:
    return _ended(record) and record["status"] == "ERROR"


def _counted(record: dict[str, Any]) -> bool:
    return _ended(record) and (record["input_tokens"], record["output_tokens"]) == (INPUT, OUTPUT)


RIGHT: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "normal": (f"one ended span with {INPUT} and {OUTPUT} tokens", _counted),
    "no usage": (
        "ended, and no number is made up",
        lambda record: _ended(record) and (record["output_tokens"] is None or record["estimated"]),
    ),
    "early break": ("ended, not as a success, with an estimate of what was billed", _billed),
    "cancel": ("the same", _billed),
    "reset": ("ended as an error", _failed),
    "mid-stream error": ("ended as an error", _failed),
    "429": ("ended as an error", _failed),
    "malformed": ("ended as an error", _failed),
    "raw pass-through": ("seen, with its tokens", _counted),
    "live visibility": (
        "how far an open stream is can be asked for",
        lambda record: bool(record["live"]) and not record["live"].startswith("event"),
    ),
}
"""Scenario → what is called right, in words and as a check."""


def score(result: Result, scenario: str) -> bool:
    """Return whether what was recorded of the scenario is right."""
    return RIGHT[scenario][1](result.records[scenario])


_SCORES: Columns = (
    ("instrumentation", _COSTS[0][1]),
    ("right", lambda result: f"{sum(score(result, name) for name in RIGHT)} of {len(RIGHT)}"),
    ("first token", lambda result: "yes" if result.records["normal"]["first_token"] else "no"),
    ("cost", lambda result: "yes" if result.records["normal"]["cost"] else "no"),
)


def _scenarios(results: Sequence[Result]) -> str:
    titles = ["", *(result.peer.title for result in results)]
    rows = [
        [f"**{name}** ({words})", *(_cell(result, name) for result in results)]
        for name, (words, _) in RIGHT.items()
    ]
    return _markdown(titles, rows)


def _cell(result: Result, scenario: str) -> str:
    record = result.records[scenario]
    mark = "✓" if score(result, scenario) else "✗"
    if scenario == "live visibility":
        return f"{mark} {_live(record)}"
    if not record["spans"]:
        return f"{mark} nothing"
    if not record["ended"]:
        return f"{mark} span never ends{_host(record)}"
    outcome = record["outcome"] or record["status"].lower()
    return f"{mark} {outcome}{_tokens(record)}{_host(record)}"


def _live(record: dict[str, Any]) -> str:
    return (
        f"only as {record['live']} on the open span"
        if record["live"].startswith("event")
        else record["live"] or "no"
    )


def _tokens(record: dict[str, Any]) -> str:
    counts = [record["input_tokens"], record["output_tokens"]]
    if counts == [None, None]:
        return ""
    told = "/".join("-" if count is None else str(count) for count in counts)
    return f", {told}{' estimated' if record['estimated'] else ''}"


def _host(record: dict[str, Any]) -> str:
    return f"; the application gets {record['host_error']}" if record["host_error"] else ""


# -- plot ----------------------------------------------------------------------------------------------

_LEFT, _WIDTH, _BAR, _GAP = 270, 420, 18, 10


def plot(results: Sequence[Result]) -> str:
    """Return a bar chart of what a chunk costs, the cheapest first; the longest bar may be cut."""
    measured = sorted(
        (result for result in results if result.failure is None),
        key=lambda result: result.times["async"].added,
    )
    costs = [max(0.0, result.times["async"].added) for result in measured]
    scale = sorted(costs)[-2] if len(costs) > 1 else max(costs, default=1.0)
    height = 60 + len(measured) * (_BAR + _GAP)
    bars = [
        _bar(row, result, cost, scale) for row, (result, cost) in enumerate(zip(measured, costs, strict=True))
    ]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 110} {height}">',
        "<style>text { font: 13px sans-serif }</style>",
        f'<rect width="100%" height="{height}" fill="white"/>',
        '<text x="16" y="26" font-weight="bold">CPU added to each chunk of a stream, µs</text>',
        *bars,
        "</svg>",
        "",
    ])  # fmt: skip


def _bar(row: int, result: Result, cost: float, scale: float) -> str:
    y = 46 + row * (_BAR + _GAP)
    width = max(1.0, min(1.0, cost / scale) * _WIDTH)
    colour = "#2a7f62" if _is_ours(result) else "#9aa5b1"
    weight = ' font-weight="bold"' if _is_ours(result) else ""
    cut = " (bar cut)" if cost > scale else ""
    return (
        f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end"{weight}>{escape(result.peer.title)}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{width:.0f}" height="{_BAR}" rx="2" fill="{colour}"/>'
        f'<text x="{_LEFT + width + 6:.0f}" y="{y + 14}"{weight}>{_us(cost)}{cut}</text>'
    )
