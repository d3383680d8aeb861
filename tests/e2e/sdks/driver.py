"""Runs clients through all scenarios and prints what their user saw, and with us also what was recorded.

python -m e2e.sdks.driver sync PROVIDER                                   without us
opentelemetry-instrument -- python -m e2e.sdks.driver sync PROVIDER       with us, or async
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
import warnings

from e2e.sdks import async_clients, sync_clients

SCENARIOS = {
    "whole": "whole", "leave": "hold", "cancel": "hold", "fail": "fail", "reset": "reset", "refuse": "refuse",
}  # fmt: skip
"""What the user does or meets → the provider's conduct."""

ROUNDS = 500  # that what was left open gets to be closed


class Seen:
    """What the user of the client saw: the items, and the exception."""

    def __init__(self, client):
        self._client = client
        self.items = []
        self.text = ""
        self.error = None

    def add(self, item):
        self.items.append(item)
        self.text += self._client.text(item)

    def as_dict(self):
        if getattr(self._client, "raw", False):
            items = b"".join(self.items).decode()
        else:
            items = [f"{type(item).__module__}.{type(item).__qualname__} {item!r}" for item in self.items]
        return {"items": items, "error": self.error, "enough": bool(self.text)}


def told(error):
    """An exception as far as it can be compared, with its causes."""
    chain = []
    while error is not None:
        text = re.sub(r"0x[0-9a-f]+", "0x", str(error))
        chain.append(f"{type(error).__module__}.{type(error).__qualname__}: {text}")
        error = error.__cause__ or error.__context__
    return chain


def run(client, scenario, text):
    seen = Seen(client)
    try:
        with client.stream(text) as items:
            for item in items:
                seen.add(item)
                if scenario == "leave" and seen.text:
                    break
    except Exception as error:
        seen.error = told(error)
    return seen.as_dict()


async def run_async(client, scenario, text):
    seen = Seen(client)
    enough = asyncio.Event()

    async def read():
        async with client.stream(text) as items:
            async for item in items:
                seen.add(item)
                if seen.text:
                    enough.set()
                    if scenario == "leave":
                        return

    task = asyncio.get_running_loop().create_task(read())
    if scenario == "cancel":
        await enough.wait()
        task.cancel()
    try:
        await task
    except (Exception, asyncio.CancelledError) as error:
        seen.error = told(error)
    return seen.as_dict()


class Recorded:
    """What our side recorded since it was last asked; without us there is no such thing."""

    def __init__(self):
        runtime = sys.modules.get("otel_stream.runtime")
        self.ours = runtime.current() if runtime is not None else None
        if self.ours is not None:
            self._listen()

    def _listen(self):
        from opentelemetry import trace
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._events, self._spans = [], InMemorySpanExporter()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(self._spans))
        self.ours.broadcaster.add_listener(self._events.append, deltas=True)

    @property
    def settled(self):
        """Whether nothing is open. Generators that were left are closed by the loop and the collector."""
        if self.ours is None or not self.ours.processor.streams():
            return True
        gc.collect()
        return not self.ours.processor.streams()

    def take(self):
        if self.ours is None:
            return None
        from otel_stream.events import encode

        got = {
            "events": [encode(event).decode() for event in self._events],
            "spans": [[span.name, span.kind.name] for span in self._spans.get_finished_spans()],
        }
        self._events.clear()
        self._spans.clear()
        return got


def run_all(base):
    recorded = Recorded()
    results = {}
    clients = {name: made(base) for name, made in sync_clients.CLIENTS.items()}
    gc.freeze()  # what is imported by now need not be collected again and again
    for name, client in clients.items():
        for scenario, conduct in SCENARIOS.items():
            if scenario == "cancel":
                continue
            seen = run(client, scenario, f"[[{conduct} x]]")
            for _ in range(ROUNDS):
                if recorded.settled:
                    break
                time.sleep(0.01)
            results[f"{name} / {scenario}"] = {**seen, "recorded": recorded.take()}
    return results


async def run_all_async(base):
    recorded = Recorded()
    results = {}
    clients = {name: made(base) for name, made in async_clients.CLIENTS.items()}
    gc.freeze()
    for name, client in clients.items():
        for scenario, conduct in SCENARIOS.items():
            seen = await run_async(client, scenario, f"[[{conduct} x]]")
            for _ in range(ROUNDS):
                await asyncio.sleep(0.01)
                if recorded.settled:
                    break
            results[f"{name} / {scenario}"] = {**seen, "recorded": recorded.take()}
    return results


def main():
    kind, base = sys.argv[1:]
    warnings.simplefilter("ignore")
    print(json.dumps(asyncio.run(run_all_async(base)) if kind == "async" else run_all(base)))


if __name__ == "__main__":
    main()
