"""What reading says instead of an event; named as in the channel whose semantics we keep, without `Error`."""

from __future__ import annotations


class Lagged(Exception):  # noqa: N818
    """The receiver was too slow: `missed` events were overwritten. Reading goes on with the oldest kept."""

    def __init__(self, missed: int) -> None:
        super().__init__(f"{missed} events were overwritten before they were read")
        self.missed = missed


class Closed(Exception):  # noqa: N818
    """Nothing is left and nothing more will come: the broadcaster or this receiver was closed."""


class Empty(Exception):  # noqa: N818
    """Nothing is there yet."""
