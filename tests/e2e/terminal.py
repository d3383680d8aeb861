"""A real terminal: programs in tmux, driven by keys and looked at."""

from __future__ import annotations

import shlex
import subprocess
import uuid

from e2e.processes import until
from e2e.programs import program


class Terminal:
    """A context manager. A server of its own, so that nobody's tmux is touched."""

    def __init__(self, command, *, size=(140, 34), env=None):
        self._program = program("tmux", "tmux")
        self._server = f"otel-stream-{uuid.uuid4().hex[:8]}"
        self._size = size
        self._command = " ".join(shlex.quote(str(word)) for word in command)
        self._env = {"TERM": "xterm-256color", **(env or {})}

    def __enter__(self):
        width, height = map(str, self._size)
        assignments = [f"{name}={value}" for name, value in self._env.items()]
        command = " ".join(
            ["env", "-u", "COLUMNS", "-u", "LINES", *map(shlex.quote, assignments), self._command]
        )
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "s", "-x", width, "-y", height, command)
        self._tmux("set-option", "-t", "s", "remain-on-exit", "on")
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

    def shows(self, condition, what):
        """Wait until the picture meets the condition, and return it."""
        until(lambda: condition(self.picture()), lambda: f"{what}:\n{self.picture()}")
        return self.picture()

    def ended(self):
        return self._tmux("display-message", "-p", "-t", "s", "#{pane_dead}").strip() == "1"

    def _tmux(self, *words, check=True):
        command = [self._program, "-L", self._server, *words]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout
