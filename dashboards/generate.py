"""Writes the boards that stand beside this file, or with `--check` says which of them are out of date.

    python dashboards/generate.py [--check]

Needs `pip install --group dashboards`. The result is classic JSON, which every Grafana since 11 provisions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cost import cost
from frame import to_json
from overview import overview
from streams import streams

HERE = Path(__file__).parent
BOARDS = {"overview.json": overview, "cost.json": cost, "streams.json": streams}


def main() -> int:
    """Return the exit status: 1 when `--check` finds a board that differs from what its code makes."""
    arguments = argparse.ArgumentParser(description="Write the Grafana boards.")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = arguments.parse_args().check
    stale = []
    for name, make in BOARDS.items():
        path, text = HERE / name, to_json(make())
        if path.exists() and path.read_text("utf-8") == text:
            continue
        if check:
            stale.append(name)
        else:
            path.write_text(text, "utf-8")
            print(f"wrote {path}")
    if stale:
        print(f"out of date: {', '.join(stale)}; run python dashboards/generate.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
