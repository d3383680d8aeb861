"""The one place where telemetry errors stop, so that none of them reaches the host.

Every entry from host code into ours is wrapped by `guarded`; nothing else here catches broadly.
In our own tests the guard re-raises (`set_reraise`), so a bug is a failing test and not a log line.
https://opentelemetry.io/docs/specs/otel/error-handling/
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
A = TypeVar("A")

logger = logging.getLogger("otel_stream")

LOGGED_PER_STAGE = 5  # tracebacks a stage may log; a bug that fires per chunk must not flood the host's log

_reraise = False
_counts: Counter[str] = Counter()
_observers: list[Callable[[str], None]] = []


def guarded(stage: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Return a decorator after which the function never raises; it returns None when it failed.

    `KeyboardInterrupt`, `SystemExit` and cancellation belong to the host and pass.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - this is where our errors stop
                failed(stage, error)
                return None

        return call

    return decorate


def guarded_step(stage: str) -> Callable[[Callable[[S, A], None]], Callable[[S, A], None]]:
    """Return what `guarded` does for a method of one argument, at half its cost: for the hot path."""

    def decorate(function: Callable[[S, A], None]) -> Callable[[S, A], None]:
        def call(self: S, argument: A) -> None:
            try:
                function(self, argument)
            except Exception as error:  # noqa: BLE001 - this is the guard
                failed(stage, error)

        return functools.wraps(function)(call)

    return decorate


class guard:  # noqa: N801 - reads like a function: `with guard("sink"):`
    """Swallow, count and log whatever the block raises; the form of `guarded` for a few lines in place.

    A class: as a generator it takes 1.2 instead of 0.3 us, and a stream passes ten of these.
    """

    __slots__ = ("_stage",)

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def __enter__(self) -> None:
        """Nothing: only what the block raises is of interest."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        failed(self._stage, error)
        return True


def failed(stage: str, error: BaseException) -> None:
    """Count an error of ours and log the first few of its stage; re-raises it in our own tests."""
    _count(stage)
    if _counts[stage] <= LOGGED_PER_STAGE:
        with contextlib.suppress(Exception):  # the host's own filters and handlers may raise
            logger.warning("%s failed; the application's stream is unaffected", stage, exc_info=error)
    if _reraise:
        raise error


def skipped(stage: str) -> None:
    """Count bad input that was passed over: nothing is wrong with us, so nothing is logged or raised."""
    _count(stage)


def _count(stage: str) -> None:
    _counts[stage] += 1
    for observer in tuple(_observers):
        with contextlib.suppress(Exception):
            observer(stage)


def counts() -> dict[str, int]:
    """Return how often each stage failed or skipped something since the process started."""
    return dict(_counts)


def on_failure(observer: Callable[[str], None]) -> Callable[[], None]:
    """Call `observer(stage)` at each counted failure; returns the function that stops it."""
    _observers.append(observer)

    def remove() -> None:
        with contextlib.suppress(ValueError):
            _observers.remove(observer)

    return remove


def set_reraise(reraise: bool) -> bool:
    """Make the guard re-raise (tests) or swallow (production); returns what it was."""
    global _reraise
    before, _reraise = _reraise, reraise
    return before
