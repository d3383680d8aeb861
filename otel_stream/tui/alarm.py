"""What is done when a stream crosses a limit: the terminal's bell, a command of the user's, or nothing."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence

from otel_stream.tui.limits import Crossing
from otel_stream.tui.row import Row

MAX_RUNNING = 4  # commands at a time; crossings beyond it are only shown
BELL_SECONDS = 1.0


class Alarm:
    """Rings and runs. The command gets what happened in its environment, never on its command line."""

    def __init__(
        self,
        bell: Callable[[], object] | None,
        command: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`bell` None: silent. Raises: ValueError for a command whose quotes do not close."""
        self._bell = bell
        self._command = shlex.split(command)
        self._clock = clock
        self._rang = -BELL_SECONDS
        self._running: list[subprocess.Popen[bytes]] = []
        self.failure = ""
        """Why the command could not be run the last time."""

    def __call__(self, crossings: Sequence[Crossing]) -> None:
        """Tell the user of the crossings."""
        if crossings and self._bell is not None and self._clock() - self._rang >= BELL_SECONDS:
            self._rang = self._clock()
            self._bell()
        self._running = [process for process in self._running if process.poll() is None]
        if self._command:
            for crossing in crossings:
                self._run(crossing)

    def _run(self, crossing: Crossing) -> None:
        if len(self._running) >= MAX_RUNNING:
            return
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                self._command,
                env={**os.environ, **environment(crossing)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self.failure = f"{self._command[0]}: {error.strerror or error}"
            return
        self._running.append(process)

    def wait(self) -> None:
        """Wait for the commands that run."""
        for process in self._running:
            process.wait()


def environment(crossing: Crossing) -> dict[str, str]:
    """Return what a command learns: the limit, the value, and which stream."""
    row: Row = crossing.row
    told = {
        "LIMIT": crossing.limit,
        "VALUE": f"{crossing.value:g}",
        "REQUEST_ID": row.request_id,
        "MODEL": row.model,
        "AGENT": row.started.agent_type,
        "TENANT": row.started.tenant,
        "TRACE_ID": row.started.trace_id,
        "GATEWAY": row.gateway,
    }
    return {f"ALERT_{name}": _clean(value) for name, value in told.items() if value}


def _clean(value: str) -> str:
    return value.replace("\x00", "").encode("utf-8", "replace").decode()
