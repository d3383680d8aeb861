"""`python -m benchmarks [--quick] [--only NAME] [--docs]`: measure, print one table, count the targets.

A missed target is printed, not an error: the machine may be busy.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks import _harness, _page

# One a line; each is a module here with `rows() -> list[Row]`.
MODULES = [
    "broadcaster",
    "pipeline",
    "formats",
    "gateway",
    "live",
    "scrape",
    "imports",
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", choices=MODULES, help=", ".join(MODULES))
    parser.add_argument("--quick", action="store_true", help="fewer rounds; the numbers scatter more")
    parser.add_argument("--docs", action="store_true", help="write the table to docs/benchmarks.md as well")
    options = parser.parse_args()
    if options.quick:
        _harness.be_quick()

    rows: list[_harness.Row] = []
    for name in options.only or MODULES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").rows()

    print(_harness.conditions())
    print()
    print(_harness.table(rows))
    print()
    print(_harness.closing(rows))
    if options.docs:
        _page.write(rows)


main()
