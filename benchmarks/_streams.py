"""A process with streams in flight for `live`: python -m benchmarks._streams FOLDER EVENTS STREAMS."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from otel_stream.config import Settings
from otel_stream.identity import Who
from otel_stream.meaning import CallFacts, Usage
from otel_stream.recorder import Recorder
from otel_stream.runtime import Runtime

TURN_SECONDS = 0.01
CHUNKS = 500  # of an answer; then another stream takes its place


def main(folder: str, events: int, streams: int) -> None:
    settings = Settings(
        live="unix", live_path=str(Path(folder) / "live"), live_text=True, prometheus_port=0, tail=""
    )
    runtime = Runtime(settings)
    facts = CallFacts("openai", "chat", "gpt-4o", "openai_chat", prompt_characters=4000)

    def open_stream() -> Recorder:
        stream = runtime.open_stream(facts)
        stream.who = Who(agent_type="bench")
        return stream

    running = [open_stream() for _ in range(streams)]
    for index, stream in enumerate(running):
        stream.tick()
        for _ in range(index * CHUNKS // streams):  # so that they do not all end at once
            stream.delta("tok ")
    per_turn, at, due = int(events * TURN_SECONDS), 0, time.monotonic()
    while True:
        for _ in range(per_turn):
            stream = running[at]
            stream.tick()
            stream.delta("token ")
            if stream.chunks >= CHUNKS:
                stream.usage(Usage(1000, CHUNKS))
                stream.finish("stop")
                stream.done()
                stream.end("eof")
                running[at] = open_stream()
            at = (at + 1) % streams
        due += TURN_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
