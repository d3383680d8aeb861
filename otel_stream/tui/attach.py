"""Which gateways are watched: all of the user's, those named, or one at an address; new ones as they come."""

from __future__ import annotations

import argparse
import os
import queue
from pathlib import Path

import msgspec

from otel_stream.live.client import QUEUED, Delivery, Watching
from otel_stream.live.rendezvous import Address, RendezvousError, Target, discover, folder

NOBODY = (
    "no gateway is to be watched in {place}; start one with OTEL_STREAM_LIVE=unix in its environment"
    " (docs/live.md)"
)


class Gateways:
    """Watches gateways. `look` now and then finds new ones, `drain` returns what they told."""

    def __init__(
        self, place: Path, *, pids: tuple[str, ...] = (), fixed: tuple[Target, ...] = (), query: str = ""
    ) -> None:
        """Without `pids` all that are found are watched; `fixed` are watched whether found or not."""
        self.place = place
        self._pids = pids
        self._fixed = fixed
        self._query = query
        self._deliveries: queue.Queue[Delivery] = queue.Queue(QUEUED)
        self._watching: dict[Target, Watching] = {}

    def find(self) -> list[Target]:
        """Return the gateways that are there now. Raises: RendezvousError."""
        if self._fixed:
            return list(self._fixed)
        return [
            target
            for target in discover(self.place)
            if not self._pids or target.key.partition("-")[0] in self._pids
        ]

    def look(self) -> list[Target]:
        """Watch the gateways that are new; return those that are there no longer. Raises: RendezvousError."""
        found = self.find()
        for target in found:
            if target not in self._watching:
                self._watching[target] = Watching(target, self._deliveries, self._query)
        gone = [target for target in self._watching if target not in found]
        for target in gone:
            self._watching.pop(target).stop()
        return gone

    def drain(self, wait_seconds: float = 0.0) -> list[Delivery]:
        """Return what has come of those that are watched; wait for the first of it so long at most."""
        found: list[Delivery] = []
        try:
            if wait_seconds:
                found.append(self._deliveries.get(timeout=wait_seconds))
            while len(found) < QUEUED:  # else whoever writes faster than we take would keep us here
                found.append(self._deliveries.get_nowait())
        except queue.Empty:
            pass
        return [delivery for delivery in found if delivery.target in self._watching]

    def close(self) -> None:
        """Leave them all."""
        for watching in self._watching.values():
            watching.stop()
        self._watching.clear()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who is watched."""
    add = parser.add_argument
    add("--pid", action="append", default=[], metavar="PID", help="watch this process only; may be repeated")
    add("--folder", default="", metavar="DIR", help="where the gateways' sockets are (OTEL_STREAM_LIVE_PATH)")
    add("--socket", default="", metavar="FILE", help="watch the gateway at this socket")
    add("--url", default="", help="watch the gateway at this address, e.g. through ssh -L")
    add("--token-file", default="", metavar="FILE", help="the file with the token for --url")


def gateways_of(options: argparse.Namespace, query: str = "") -> Gateways:
    """Return the gateways the options name. Raises: RendezvousError for a token file that cannot be read."""
    place = folder(options.folder or os.environ.get("OTEL_STREAM_LIVE_PATH", ""))
    return Gateways(place, pids=tuple(options.pid), fixed=_fixed(options), query=query)


def _fixed(options: argparse.Namespace) -> tuple[Target, ...]:
    if options.socket:
        return (Target(Path(options.socket).stem, socket=options.socket),)
    if not options.url:
        return ()
    token = _token(Path(options.token_file)) if options.token_file else ""
    return (Target(options.url.removeprefix("http://").rstrip("/"), address=Address(options.url, token)),)


def _token(path: Path) -> str:
    """Return the token in a file: the gateway's own (JSON), or the token alone."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RendezvousError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return msgspec.json.decode(text, type=Address).token
    except msgspec.DecodeError:
        return text.decode("utf-8", "replace").strip()
