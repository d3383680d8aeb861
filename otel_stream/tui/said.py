"""What a stream said since we watch: runs of text by channel, bounded. Pure."""

from __future__ import annotations

from otel_stream.events import Channel

MAX_CHARACTERS = 64 << 10  # per stream; a long answer of 16 000 tokens. The oldest go first


class Run:
    """A piece of one choice's answer in one channel.

    `length` counts all of its characters, `dropped` those that went from the beginning of `text`.
    """

    __slots__ = ("channel", "dropped", "index", "length", "text")

    def __init__(self, channel: Channel, index: int) -> None:
        self.channel = channel
        self.index = index
        self.text = ""
        self.length = 0
        self.dropped = 0


class Said:
    """The runs of a stream in the order in which they began.

    `missing` counts characters that are known but not here: withheld, from before we watched, or dropped.
    """

    __slots__ = ("_kept", "_last", "missing", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.missing = 0
        self._kept = 0
        self._last: dict[int, Run] = {}

    def add(self, text: str, channel: Channel, index: int, length: int) -> None:
        """Append a delta to its choice's run, or begin a new one where the channel changes."""
        run = self._last.get(index)
        if run is None or run.channel != channel:
            run = self._last[index] = Run(channel, index)
            self.runs.append(run)
        run.length += length
        if text:
            run.text += text
            self._kept += len(text)
            if self._kept > 2 * MAX_CHARACTERS:
                self._trim()
        else:
            self.missing += length

    def found(self, length: int) -> None:
        """What has just been added was counted before, maybe as missing."""
        self.missing = max(0, self.missing - length)

    def text(self, channel: Channel = "output") -> str:
        """Return what is kept of a channel, all choices one after the other."""
        return "".join(run.text for run in self.runs if run.channel == channel)

    def _trim(self) -> None:
        """Drop the oldest text; only now and then, since a cut copies what stays."""
        excess = self._kept - MAX_CHARACTERS
        for run in self.runs:
            cut = min(excess, len(run.text))
            run.text = run.text[cut:]
            run.dropped += cut
            self.missing += cut
            self._kept -= cut
            excess -= cut
            if not excess:
                return
