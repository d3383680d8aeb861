"""What the soak can be told, and what follows from it."""

from __future__ import annotations

from typing import NamedTuple

LONG_SECONDS = 60.0  # from here on there is time for more than the shortest pauses
PIECES = 1000.0  # a second; leaves a core of a small machine half idle


class Options(NamedTuple):
    """What `make soak` can be told."""

    seconds: float = 600.0
    streams: int = 200
    pieces: float = PIECES
    sdk: bool = False
    folder: str = ""

    @property
    def gap_seconds(self) -> float:
        """Between the pieces of an answer, so that all streams make so many pieces a second."""
        return self.streams / self.pieces

    @property
    def rounds(self) -> int:
        """Each loads the gateway without us and the one with us."""
        return 5 if self.seconds >= LONG_SECONDS else 2

    @property
    def turn_seconds(self) -> float:
        return self.seconds / self.rounds

    @property
    def several_seconds(self) -> float:
        """Under load with two workers."""
        return self.seconds / 5

    @property
    def timeout_seconds(self) -> float:
        """After which the gateway gives a silent provider up."""
        return max(5.0 if self.seconds >= LONG_SECONDS else 3.0, 10 * self.gap_seconds)

    def __str__(self) -> str:
        turns = f"{self.rounds} times {self.turn_seconds:g} s without us and as long with us"
        turns += " and with OpenTelemetry alone" if self.sdk else ""
        return f"{self.streams} streams at a time, {self.pieces:g} pieces of answers a second: {turns}"
