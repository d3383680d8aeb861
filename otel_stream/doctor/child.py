"""The process the doctor starts as a gateway is started: imports what it is told to and says what was hooked.

    opentelemetry-instrument -- python -m otel_stream.doctor.child REPORT [MODULE[:NAME] …]

Without modules it imports every library we know that is installed. The report is a file of JSON.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from otel_stream.instrumentation import HOOKS
from otel_stream.instrumentation.status import Status, describe


class Report(msgspec.Struct):
    """What the child found. `failed` has the modules that could not be imported, and why."""

    status: Status
    failed: dict[str, str]


def main(words: list[str]) -> None:
    """Write the report. Raises: IndexError without the name of a file."""
    file, *wanted = words
    failed = {name: why for name in wanted or known() if (why := load(name))}
    Path(file).write_bytes(msgspec.json.encode(Report(describe(HOOKS), failed)))


def known() -> list[str]:
    """Return the modules of the hook table whose library is installed."""
    modules = dict.fromkeys(state.module for state in HOOKS.states())
    return [module for module in modules if find_spec(module.partition(".")[0]) is not None]


def load(name: str) -> str:
    """Import `module` or `module:attribute`; return what went wrong, or nothing."""
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an import raises is the answer
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
    # What was started for the gateway's lifetime, exporters above all, need not come to a proper end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
