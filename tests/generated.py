"""The parts of the docs that are made from the code; `make docs` writes them, tests hold them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

import covered
import support

from otel_stream import cli, config, events, wire
from otel_stream.instrumentation import HOOKS

ROOT = Path(__file__).parents[1]


def schema() -> str:
    return json.dumps(events.json_schema(), indent=2, ensure_ascii=False) + "\n"


def settings() -> str:
    """Return the table of settings as Markdown."""
    rows = [
        f"| `{row.env}` | `{row.name}` | {row.allowed} | {_code(row.default)} | {row.about} |"
        for row in config.table()
    ]
    return "\n".join(
        ["| variable | name in code | allowed | default | meaning |", "|---|---|---|---|---|", *rows]
    )


def formats() -> str:
    """Return the table of wire formats as Markdown: the first line of each one's module says what it is."""
    rows = [f"| `{format.name}` | {_first_line(format)} |" for format in wire.FORMATS]
    return "\n".join(["| format | what it is |", "|---|---|", *rows])


def taps() -> str:
    """Return the table of libraries that are watched, from the hooks themselves."""
    modules: dict[str, list[str]] = {}
    for state in HOOKS.states():
        modules.setdefault(state.tap, []).append(state.module.partition(".")[0])
    rows = [f"| `{tap}` | {', '.join(names)} |" for tap, names in modules.items()]
    return "\n".join(["| tap | libraries |", "|---|---|", *rows])


def commands() -> str:
    """Return the table of subcommands as Markdown."""
    rows = [f"| `otel-stream {name}` | {row.about} |" for name, row in cli.SUBCOMMANDS.items()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def _first_line(format: type) -> str:
    return inspect.getmodule(format).__doc__.splitlines()[0].rstrip(".")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


FILES: dict[str, Callable[[], str]] = {"docs/events.schema.json": schema}
TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/configuration.md", "settings"): settings,
    ("README.md", "formats"): formats,
    ("README.md", "taps"): taps,
    ("README.md", "commands"): commands,
    ("docs/formats.md", "formats"): support.formats,
    ("docs/formats.md", "apis"): support.apis,
    ("docs/gateways.md", "gateways"): covered.gateways,
    ("docs/gateways.md", "handwritten"): covered.handwritten,
    ("docs/gateways.md", "sdks"): covered.sdks,
}
"""(page, name) → what stands between `<!-- begin name -->` and `<!-- end name -->`."""


def table_of(page: str, name: str) -> str:
    """Return what the page says now."""
    return _between(name).search((ROOT / page).read_text("utf-8"))[2]


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- begin {name} -->\n)(.*?)(\n<!-- end {name} -->)", re.DOTALL)


def write() -> None:
    for path, content in FILES.items():
        (ROOT / path).write_text(content(), "utf-8")
    for (page, name), content in TABLES.items():
        before, after = _between(name).split((ROOT / page).read_text("utf-8"))[0::4]
        begin, end = f"<!-- begin {name} -->\n", f"\n<!-- end {name} -->"
        (ROOT / page).write_text(f"{before}{begin}{content()}{end}{after}", "utf-8")


if __name__ == "__main__":
    write()
