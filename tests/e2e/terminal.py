"""A real terminal: programs in tmux, driven by keys and looked at."""

from __future__ import annotations

import re
import shlex
import subprocess
import uuid
from pathlib import Path

from e2e.processes import until
from e2e.programs import program

_ENDED = re.compile(r"^\[exit code (\d+)\]$", re.MULTILINE)


class Terminal:
    """A context manager. A server of its own, so that nobody's tmux is touched."""

    def __init__(self, command, *, size=(140, 34), env=None, folder=Path()):
        self._program = program("tmux", "tmux")
        self._server = f"otel-stream-{uuid.uuid4().hex[:8]}"
        self._size = size
        self._command = " ".join(shlex.quote(str(word)) for word in command)
        self._env = {"TERM": "xterm-256color", **(env or {})}
        self._folder = str(folder)

    def __enter__(self):
        width, height = map(str, self._size)
        assignments = [f"{name}={value}" for name, value in self._env.items()]
        command = " ".join(
            ["env", "-u", "COLUMNS", "-u", "LINES", *map(shlex.quote, assignments), self._command]
        )
        command += "; printf '\\n[exit code %d]\\n' $?"
        size = ("-x", width, "-y", height)
        # What ended at once has to stay as well, so the option is there before the session.
        self._tmux(
            "-f", "/dev/null", "set-option", "-g", "remain-on-exit", "on", ";",
            "set-option", "-s", "set-clipboard", "on", ";",
            "new-session", "-d", "-s", "s", *size, "-c", self._folder, command,
        )  # fmt: skip
        return self

    def __exit__(self, *_):
        self._tmux("kill-server", check=False)

    def press(self, *keys):
        """Type keys by tmux's names: Enter, Escape, Down, or characters."""
        for key in keys:
            self._tmux("send-keys", "-t", "s", key)

    def type(self, text):
        self._tmux("send-keys", "-t", "s", "-l", text)

    def picture(self):
        return self._tmux("capture-pane", "-p", "-t", "s")

    def history(self):
        """What has scrolled off, and the picture."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "s")

    def clipboard(self):
        """What a program has put there by an escape."""
        return self._tmux("show-buffer", check=False)

    def title(self):
        return self._tmux("display-message", "-p", "-t", "s", "#{pane_title}")

    def shows(self, condition, what):
        """Wait until the picture meets the condition, and return it."""
        until(lambda: condition(self.picture()), lambda: f"{what}:\n{self.picture()}")
        return self.picture()

    def code(self):
        """Wait for the program's end and return its exit code.

        The shell around it tells; tmux itself does not always notice that a child has ended.
        """
        told = until(lambda: _ENDED.search(self.history()), lambda: f"it has not ended:\n{self.picture()}")
        return int(told[1])

    def _tmux(self, *words, check=True):
        command = [self._program, "-L", self._server, *words]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout
