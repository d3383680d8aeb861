"""The command `otel-stream`: a table of subcommands, each imported only when it is called.

A subcommand is a module with `arguments(parser)` and `run(options) -> int` (the exit code).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple, Protocol


class Subcommand(NamedTuple):
    """One line of the table; `extra` is what must be installed for it, `needs` a module of that extra."""

    module: str
    about: str
    extra: str = ""
    needs: str = ""


SUBCOMMANDS: dict[str, Subcommand] = {
    "demo": Subcommand(
        "otel_stream.demo.command", "a provider, a gateway and its callers on this machine", "demo", "httpx2"
    ),
    "top": Subcommand("otel_stream.tui.top", "the streams in flight, on a screen", "tui", "textual"),
    "tail": Subcommand("otel_stream.tui.tail", "what happens in the gateways, as plain lines or JSON"),
    "inspect": Subcommand("otel_stream.inspection.command", "what a recorded response decodes to"),
    "doctor": Subcommand(
        "otel_stream.doctor.command", "what is watched in a process, and why something is not"
    ),
    "dashboards": Subcommand(
        "otel_stream.dashboards", "write the Grafana boards, alert rules and configurations to a folder"
    ),
}


class Implementation(Protocol):
    """What the module of a subcommand offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 well, 1 failed, 2 not understood."""
    words = sys.argv[1:] if words is None else words
    name = words[0] if words else ""
    if name not in SUBCOMMANDS:
        return _without_subcommand(words)
    subcommand = SUBCOMMANDS[name]
    if subcommand.needs and importlib.util.find_spec(subcommand.needs) is None:
        print(
            f"otel-stream {name} needs {subcommand.needs}: pip install 'otel-stream[{subcommand.extra}]'",
            file=sys.stderr,
        )
        return 1
    try:
        implementation: Implementation = importlib.import_module(subcommand.module)
        parser = argparse.ArgumentParser(prog=f"otel-stream {name}", description=subcommand.about)
        implementation.arguments(parser)
        code = implementation.run(parser.parse_args(words[1:]))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130  # what a shell says of a process ended by Ctrl-C
    except BrokenPipeError:
        _let_go_of_output()
        return 0  # a reader that has enough, like head(1), is a good end
    return code


def _let_go_of_output() -> None:
    """Have what is still to be written go nowhere, or the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _without_subcommand(words: Sequence[str]) -> int:
    """Answer --help and --version, and refuse what is no subcommand."""
    width = max(map(len, SUBCOMMANDS))
    table = "\n".join(f"  {name:{width}}  {row.about}" for name, row in SUBCOMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="otel-stream",
        description="Live OpenTelemetry for the streaming calls of LLM gateways.",
        epilog=f"subcommands:\n{table}\n\notel-stream SUBCOMMAND --help tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"otel-stream {version('otel-stream')}")
    parser.add_argument("subcommand", choices=SUBCOMMANDS, metavar="SUBCOMMAND")
    if not words:
        parser.print_help()
        return 2
    parser.parse_args(words)
    raise AssertionError("unreachable: argparse exits")  # pragma: no cover


if __name__ == "__main__":
    sys.exit(main())
