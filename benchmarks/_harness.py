"""Rows, medians and the table: what every benchmark module needs.

Numbers are CPU time, never wall time, so a busy machine spoils them little. Cases that are compared run in
turns within one process and the median of each counts. Compare ratios: absolute numbers drift between runs.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
import timeit
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

QUICK_ROUNDS = 3

_quick = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ok` None: nothing is promised, the number is there to be seen."""

    what: str
    target: str
    measured: float
    unit: str
    ok: bool | None
    baseline: str = ""

    @classmethod
    def at_most(cls, what: str, limit: float, measured: float, unit: str, baseline: str = "") -> Row:
        """Return a row whose number must not exceed the limit. `baseline` is measured in the same run."""
        return cls(what, f"≤ {limit:g} {unit}", measured, unit, measured <= limit, baseline)

    @classmethod
    def at_least(cls, what: str, limit: float, measured: float, unit: str, baseline: str = "") -> Row:
        """Return a row whose number must reach the limit."""
        return cls(what, f"≥ {limit:g} {unit}", measured, unit, measured >= limit, baseline)

    @classmethod
    def note(cls, what: str, measured: float, unit: str, baseline: str = "") -> Row:
        """Return a row without a target, for the numbers that put others into proportion."""
        return cls(what, "", measured, unit, None, baseline)

    @property
    def verdict(self) -> str:
        return {True: "ok", False: "missed", None: ""}[self.ok]

    def cells(self) -> tuple[str, ...]:
        return self.what, self.target, shown(self.measured, self.unit), self.baseline, self.verdict


def shown(number: float, unit: str) -> str:
    """Return the number as a person reads it: three digits that count."""
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f} {unit}".strip()


def be_quick() -> None:
    """Take fewer rounds from now on; the numbers scatter more."""
    global _quick  # noqa: PLW0603 - one switch for the command
    _quick = True


def rounds(usual: int) -> int:
    """Return how often to repeat a case, which `--quick` cuts down."""
    return min(usual, QUICK_ROUNDS) if _quick else usual


def interleaved(cases: Mapping[str, Callable[[], float]], times: int) -> dict[str, float]:
    """Run all cases in turns, `times` rounds and one to warm up, and return the median result of each."""
    results: dict[str, list[float]] = {name: [] for name in cases}
    for name, case in list(cases.items()) * (rounds(times) + 1):
        results[name].append(case())
    return {name: statistics.median(numbers[1:]) for name, numbers in results.items()}


def paired(
    base: Callable[[], float], cases: Mapping[str, Callable[[], float]], times: int
) -> dict[str, tuple[float, float]]:
    """Return for each case the medians of its result and of its ratio to `base`, which runs right before it.

    A machine shared with others changes its speed within seconds: two results from either end of a round
    differ by that as well. So each has a baseline of its own, and rounds are short and many.
    """
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for name, case in list(cases.items()) * (rounds(times) + 1):
        before = base()
        taken = case()
        results[name].append((taken, taken / before))
    return {
        name: (statistics.median(a for a, _ in pairs[1:]), statistics.median(b for _, b in pairs[1:]))
        for name, pairs in results.items()
    }


def statement_ns(statement: str, names: Mapping[str, object], count: int = 50_000) -> Callable[[], float]:
    """Return a case: nanoseconds of this thread's CPU for one run of the statement, its loop included."""
    timer = timeit.Timer(statement, timer=time.thread_time_ns, globals=dict(names))
    return lambda: timer.timeit(count) / count


def process_ns(work: Callable[[], object], count: int) -> Callable[[], float]:
    """Return a case: nanoseconds of the whole process's CPU, all threads, for each of `count` units."""

    def case() -> float:
        before = time.process_time_ns()
        work()
        return (time.process_time_ns() - before) / count

    return case


def table(rows: Iterable[Row]) -> str:
    """Return the rows as aligned text, numbers to the right."""
    lines = [("what", "target", "measured", "baseline in the same run", ""), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    sides = "<>><<"
    return "\n".join(
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def closing(rows: Iterable[Row]) -> str:
    """Return the line that counts what was met and missed."""
    verdicts = [row.ok for row in rows]
    met, missed, notes = (verdicts.count(verdict) for verdict in (True, False, None))
    more = f"; {notes} without a target" if notes else ""
    return f"{met} of {met + missed} targets met, {missed} missed{more}."


def conditions() -> str:
    """Return what the numbers were taken on."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.machine()}, {os.cpu_count()} cores{load}; CPU time"
