"""A `Meaning` for an answer whose stream is not open yet: it opens it when something is first meant.

The tap puts it between a wire format and the recorder where the request alone did not tell of an LLM call.
"""

from __future__ import annotations

from collections.abc import Callable

from otel_stream.meaning import Usage
from otel_stream.recorder import Recorder


class Opening:
    """Hands everything on to the recorder that `open_stream` gives; one for each answer.

    `lazy` is for the server tap, where a head alone opens nothing: gateways make one up, with a usage of
    zero, before they have asked anybody. It is told with what comes next.
    """

    def __init__(
        self, open_stream: Callable[[], Recorder], *, lazy: bool, is_told: Callable[[str], bool]
    ) -> None:
        """`open_stream` is asked for each thing that is meant, and gives the same recorder every time.

        `is_told` says whether the answer with this id is told elsewhere; then nothing is opened here.
        """
        self._open_stream = open_stream
        self._holds = lazy
        self._is_told = is_told
        self._is_quiet = False
        self._held: dict[str, Callable[[Recorder], None]] = {}

    def skip(self, kind: str) -> None:
        """What is not understood opens nothing."""

    def head(self, response_id: str | None = None, model: str | None = None) -> None:
        if self._holds and response_id and not self._is_quiet:
            self._is_quiet = self._is_told(response_id)
        self._tell("head", lambda recorder: recorder.head(response_id, model))

    def usage(self, usage: Usage) -> None:
        self._tell("usage", lambda recorder: recorder.usage(usage))

    def _tell(self, name: str, tell: Callable[[Recorder], None]) -> None:
        if self._holds:
            self._held[name] = tell
        else:
            tell(self._open_stream())

    def __getattr__(self, name: str) -> object:
        if self._is_quiet:
            return _nothing
        recorder = self._open_stream()
        if self._holds:
            self._holds = False
            for tell in self._held.values():
                tell(recorder)
        return getattr(recorder, name)


def _nothing(*_: object, **__: object) -> None:
    """What is meant is told elsewhere."""
