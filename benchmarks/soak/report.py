"""What the soak found, for people: the books, what is left behind, and the event loop with and without us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.soak.books import Ledger, Line
from benchmarks.soak.usage import Record

BLOCKS_PER_CALL = 0.5  # a leak keeps one for each call at least
FIRST_TIMES = 3000  # blocks for what happens late for the first time, such as a bucket's first exemplar
RSS_GROWTH_MIB = 4.0  # beyond what the same gateway grows without us
LOG_CHARACTERS = 4000

NAMES = {
    "plain": "without us", "sdk": "OpenTelemetry alone", "one": "with us", "two": "with us, two workers",
}  # fmt: skip
LAGS = ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"), (1, "longest"))

Cells = tuple[str, ...]


class Verdict(NamedTuple):
    """A row of the table of what is left behind; `good` None: only to be seen."""

    cells: Cells
    good: bool | None


def books(title: str, ledger: Ledger, lines: Sequence[Line]) -> str:
    """Return the books of one gateway as a table."""
    said = ", ".join(f"{count:,} {word}" for word, count in ledger.words.most_common())
    rows = [("", "should be", "counted", "")]
    rows += [
        (line.what, _number(line.wanted), _number(line.counted), "" if line.agrees else "DIFFERS")
        for line in lines
    ]
    return f"\nThe books {title}; the provider's ledger says: {said}.\n{_aligned(rows)}"


def left_behind(plain: Record, ours: Record) -> list[Verdict]:
    """Judge what is there after the load that was not there before."""
    found = [_same(title, plain.left(what), ours.left(what)) for title, what in _LEFT]
    (blocks, calls), (plain_blocks, plain_calls) = ours.blocks_kept, plain.blocks_kept
    allowed = BLOCKS_PER_CALL * calls + FIRST_TIMES
    kept = (f"{plain_blocks:+,.0f} in {plain_calls:,} calls", f"{blocks:+,.0f} in {calls:,} calls")
    grown = (plain.rss_growth_mib, ours.rss_growth_mib)
    return [
        *found,
        Verdict(("memory blocks kept", *kept, f"≤ {allowed:,.0f}"), blocks <= allowed),
        Verdict(("RSS, MiB", f"{plain.rss_mib:.1f}", f"{ours.rss_mib:.1f}", ""), None),
        Verdict(
            ("RSS slope, MiB an hour", f"{plain.rss_mib_per_hour:+.1f}", f"{ours.rss_mib_per_hour:+.1f}", ""),
            None,
        ),
        Verdict(
            ("RSS growth, MiB", *(f"{mib:+.2f}" for mib in grown), f"≤ {RSS_GROWTH_MIB:g} more"),
            grown[1] - max(0.0, grown[0]) <= RSS_GROWTH_MIB,
        ),
    ]


_LEFT = (("open files and sockets", "fds"), ("threads", "threads"), ("tasks", "tasks"))


def _same(title: str, plain: int, ours: int) -> Verdict:
    return Verdict((title, f"{plain:+}", f"{ours:+}", "as without us"), ours <= max(0, plain))


def left_table(verdicts: Sequence[Verdict]) -> str:
    words = {True: "ok", False: "TOO MUCH", None: ""}
    rows: list[Cells] = [("", "without us", "with us", "allowed", "")]
    rows += [(*verdict.cells, words[verdict.good]) for verdict in verdicts]
    return f"\nLeft behind after the load, one worker:\n{_aligned(rows)}"


def loop_table(records: Mapping[str, Record]) -> str:
    """Return how late the event loops ran and what CPU the gateways took."""
    measured = {NAMES[name]: record for name, record in records.items() if record.stretches}
    rows: list[Cells] = [("", *measured)]
    for own, title in ((False, "event loop late"), (True, "… by its own doing")):
        rows += [(f"{title}, {word}", *_lags(measured, share, own=own)) for share, word in LAGS]
    rows.append(("CPU, of a core", *(f"{record.cpu_share:.0%}" for record in measured.values())))
    pieces = (f"{record.cpu_us_per_piece:.0f} µs" for record in measured.values())
    rows.append(("CPU a piece, calls included", *pieces))
    return f"\nThe same load in turns; medians of the turns:\n{_aligned(rows)}"


def _lags(measured: Mapping[str, Record], share: float, *, own: bool) -> list[str]:
    return [f"{record.lag_ms(share, own=own):.1f} ms" for record in measured.values()]


def logs(texts: Mapping[str, str]) -> str:
    """Return what the processes logged; they have nothing to say when all is well."""
    return "".join(f"\nThe log of {name}:\n{text[-LOG_CHARACTERS:]}\n" for name, text in texts.items())


def closing(lines: Sequence[Line], verdicts: Sequence[Verdict]) -> tuple[str, int]:
    """Return the last line and the exit code."""
    wrong = [line.what for line in lines if not line.agrees]
    wrong += [verdict.cells[0] for verdict in verdicts if verdict.good is False]
    if wrong:
        return f"\nNOT as it should be: {', '.join(wrong)}", 1
    return "\nThe books agree, and nothing is left behind.", 0


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.9f}"


def _aligned(rows: Sequence[Cells]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    )
