"""What `import otel_stream` takes on top of what every process with OpenTelemetry has loaded anyway."""

from __future__ import annotations

import subprocess
import sys

from benchmarks._harness import Row, interleaved, shown

TIMED = "import time; began = time.process_time_ns(); {}; print(time.process_time_ns() - began)"
CASES = {
    "base": "import opentelemetry.sdk.trace",
    "ours": "import opentelemetry.sdk.trace, otel_stream",
    "instrumentor": "import opentelemetry.sdk.trace, otel_stream.instrumentation",
}


def rows() -> list[Row]:
    took = interleaved({name: _case(statement) for name, statement in CASES.items()}, 11)
    base = f"opentelemetry.sdk.trace: {shown(took['base'], 'ms')}"
    return [
        Row.at_most("import otel_stream, added", 60, took["ours"] - took["base"], "ms", base),
        Row.note(
            "import otel_stream.instrumentation, added", took["instrumentor"] - took["base"], "ms", base
        ),
    ]


def _case(statement: str):
    """Return a case: CPU ms of the statement in a fresh interpreter."""
    command = [sys.executable, "-c", TIMED.format(statement)]

    def case() -> float:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout) / 1e6

    return case
