"""The subcommand `otel-stream doctor`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from otel_stream.doctor import network, packages, process, rehearsal, report, settings
from otel_stream.doctor.report import Section
from otel_stream.live.rendezvous import folder

_EPILOG = """
without options it looks at this environment, starts a Python as a gateway is started, and asks each running
gateway whose live endpoint is on (OTEL_STREAM_LIVE):

  otel-stream doctor
  otel-stream doctor --import app:app   what is watched once your application is imported
  otel-stream doctor --pid 4711         what is watched in that process, and why something is not

ok is well, -- may matter, !! stands in the way. The exit code is 0 when nothing does, else 1.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add = parser.add_argument
    add(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE[:NAME]",
        help="import this in the Python that is started, as a gateway would; may be repeated",
    )
    add(
        "--pid",
        type=int,
        action="append",
        default=[],
        metavar="PID",
        help="look at this process only; may be repeated",
    )
    add("--folder", default="", metavar="DIR", help="where the gateways' sockets are (OTEL_STREAM_LIVE_PATH)")
    add("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> int:
    """Print what was found; 1 when something stands in the way."""
    if options.pid:
        sections = [process.one(str(pid), options.folder) for pid in options.pid]
    else:
        sections = [environment(os.environ), rehearsal.rehearse(options.modules, os.environ)]
        given = options.folder or os.environ.get("OTEL_STREAM_LIVE_PATH", "")
        sections += process.running(folder(given))
    print(report.as_json(sections) if options.json else report.as_text(sections))
    return 1 if report.problems(sections) else 0


def environment(env: Mapping[str, str]) -> Section:
    """Return what a gateway would find that was started here and now."""
    read = settings.read(env)
    ports = [] if read is None else network.metrics(read, env)
    found = [*packages.findings(env), *settings.findings(env), *ports, *network.collector(env)]
    return Section("This environment", found)
