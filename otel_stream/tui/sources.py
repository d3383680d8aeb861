"""Where a screen's frames come from: live gateways, or a recording. Both have a clock of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from otel_stream.live.rendezvous import RendezvousError
from otel_stream.tui.attach import NOBODY, Gateways
from otel_stream.tui.meters import NS
from otel_stream.tui.model import Model
from otel_stream.tui.record import Recorded, Replay

LOOK_SECONDS = 1.0
FORGET_SECONDS = 10.0  # a gateway that ended is shown so long
MIN_SPEED, MAX_SPEED = 1 / 8, 64


class Source(Protocol):
    """What a screen asks ten times a second."""

    def now(self) -> int:
        """Return the time that is shown, in nanoseconds since the epoch."""

    def poll(self, model: Model) -> list[Recorded]:
        """Bring the model up to date and return the frames it was told."""

    def hint(self) -> str:
        """Return what to show while there is nothing else."""

    def close(self) -> None: ...


class LiveSource:
    """The gateways there are; new ones are found within a second."""

    def __init__(self, gateways: Gateways, clock: Callable[[], int] = time.time_ns) -> None:
        self.now = clock
        self._gateways = gateways
        self._looked = 0
        self._problem = ""
        self._gone: dict[str, int] = {}

    def poll(self, model: Model) -> list[Recorded]:
        now = self.now()
        if now - self._looked >= LOOK_SECONDS * NS:
            self._looked = now
            self._look(model, now)
        found: list[Recorded] = []
        for delivery in self._gateways.drain():
            key = delivery.target.key
            for frame in delivery.frames:
                model.apply(key, frame, now)
                found.append(Recorded(key, frame, now))
            if delivery.link == "gone":
                model.gone(key, now)
            elif delivery.link is not None:
                self._gone.pop(key, None)
                model.link(key, delivery.link, where=delivery.target.where, note=delivery.note)
        return found

    def _look(self, model: Model, now: int) -> None:
        try:
            gone = self._gateways.look()
            self._problem = ""
        except RendezvousError as error:
            gone = []
            self._problem = str(error)
        for target in gone:
            model.gone(target.key, now)
            self._gone[target.key] = now
        for key in [key for key, at in self._gone.items() if now - at > FORGET_SECONDS * NS]:
            del self._gone[key]
            model.forget(key)

    def hint(self) -> str:
        return self._problem or NOBODY.format(place=self._gateways.place)

    def close(self) -> None:
        self._gateways.close()


class ReplaySource:
    """A recording. Time runs `speed` times as fast as it did, and stands while paused."""

    def __init__(
        self, lines: Iterable[bytes], speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed = speed
        self.paused = False
        self._replay = Replay(lines)
        self._clock = clock
        self._last = clock()
        self._now = float(self._replay.began)

    def now(self) -> int:
        return int(self._now)

    def poll(self, model: Model) -> list[Recorded]:
        before, self._last = self._last, self._clock()
        if not self.paused and not self._replay.ended:
            self._now += (self._last - before) * self.speed * NS
        found = self._replay.due(self.now())
        for recorded in found:
            model.apply(recorded.gateway, recorded.frame, recorded.at)
        return found

    def faster(self, factor: float) -> None:
        """Change the speed, within limits."""
        self.speed = min(MAX_SPEED, max(MIN_SPEED, self.speed * factor))

    @property
    def ended(self) -> bool:
        """Everything was shown; time stands."""
        return self._replay.ended

    def hint(self) -> str:
        return f"nothing is recorded here ({self._replay.skipped} lines are no frames)"

    def close(self) -> None:
        """Nothing to tidy up."""
