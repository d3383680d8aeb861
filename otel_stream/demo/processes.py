"""The demo's child processes and their ports: started, waited for, and stopped by their own id."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

READY_SECONDS = 60  # a cold start imports a few hundred modules
STOP_SECONDS = 5  # then it is killed
TOLD_LINES = 20  # of the log of a child that failed


class ChildFailed(Exception):  # noqa: N818
    """A child ended, or did not answer in time; the message has the end of its log."""


class Child:
    """A process of ours; its log goes to a file, or without one to our terminal."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path | None = None) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        stdout: IO[bytes] | int | None = asyncio.subprocess.DEVNULL,
    ) -> Child:
        """Start it apart from our terminal's Ctrl-C: it ends when we say so. `log` gets its stderr."""
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        return cls(name, process, log)

    @classmethod
    async def in_our_terminal(cls, name: str, command: Sequence[str]) -> Child:
        """Start it where the keys are: it reads them and draws, and we keep quiet until it ends."""
        return cls(name, await asyncio.create_subprocess_exec(*command))

    async def ready(self, port: int, seconds: float = READY_SECONDS) -> None:
        """Wait until it listens on the port. Raises: ChildFailed when it ends or the time is over."""
        ended = asyncio.get_running_loop().create_task(self._process.wait())
        listening = asyncio.get_running_loop().create_task(_listening(port))
        try:
            await asyncio.wait((ended, listening), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or not listening.done():
                raise ChildFailed(
                    self.complaint("ended" if ended.done() else f"does not listen on port {port}")
                )
        finally:
            ended.cancel()
            listening.cancel()

    async def wait(self) -> int:
        """Return its exit code when it ends."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End it as a service manager would: SIGTERM, then SIGKILL. Twice is a no-op."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except asyncio.TimeoutError:  # in Python 3.10 not the builtin
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def complaint(self, what: str) -> str:
        """Return what went wrong and the end of the log."""
        if self.log is None:
            return f"the {self.name} {what}"
        lines = self.log.read_text("utf-8", "replace").splitlines()[-TOLD_LINES:]
        return "\n".join([f"the {self.name} {what}; the end of its log:", *lines])


async def _listening(port: int) -> None:
    while not await _answers(port):  # noqa: ASYNC110 - another process cannot set an event of ours
        await asyncio.sleep(0.05)


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def free_port(wanted: int, taken: Sequence[int] = ()) -> int:
    """Return the wanted port of the loopback address, or a free one when it is in use or 0."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found: int = probe.getsockname()[1]
                if found not in taken:
                    return found
    raise OSError("no free port on 127.0.0.1")
