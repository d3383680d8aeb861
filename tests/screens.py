"""A screen without a terminal, and pictures of it as plain text, to compare with those in `snapshots/`."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path

from telling import Told

from otel_stream.tui.app import Top
from otel_stream.tui.record import Recorded

SNAPSHOTS = Path(__file__).parent / "tui" / "snapshots"
UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))  # then they are written instead of compared


class Scripted:
    """A source whose time and frames are the test's own."""

    def __init__(self):
        self.told = None
        self.frames = []
        self.closed = False

    def now(self):
        return self.told.now

    def poll(self, model):
        frames, self.frames = self.frames, []
        for frame in frames:
            model.apply("4711", frame, self.now())
        return [Recorded("4711", frame, self.now()) for frame in frames]

    def hint(self):
        return "nobody is there"

    def close(self):
        self.closed = True


class Shown:
    """A running screen: `told` tells its model, `press` uses its keys, `picture` looks at it."""

    def __init__(self, app, pilot, told):
        self.app = app
        self.pilot = pilot
        self.told = told

    async def press(self, *keys):
        await self.settle()
        await self.pilot.press(*keys)
        return await self.settle()

    async def settle(self):
        """Let it take what it was told and draw it."""
        self.app.tick()
        for _ in range(3):  # what is drawn may change the layout, and that what is drawn
            await self.pilot._wait_for_screen()
            self.app.screen._on_timer_update()
        return self

    def lines(self):
        """What stands on the screen."""
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def picture(self):
        return "\n".join(self.lines()) + "\n"

    async def looks_like(self, name):
        """Wait until the screen is the picture that is kept; parts of it take a moment longer than others."""
        path = SNAPSHOTS / f"{name}.txt"
        if UPDATE:
            await self.pilot.pause(1)
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.picture(), "utf-8")
        wanted = path.read_text("utf-8")
        for _ in range(100):
            if self.picture() == wanted:
                return
            await self.pilot.pause(0.02)
        assert self.picture() == wanted


@asynccontextmanager
async def showing(*, size=(140, 34), source=None, **options):
    """A screen of this size."""
    source = source or Scripted()
    app = Top(source, **options)
    app.set_interval = lambda seconds, tick: None  # the test says when it looks
    told = Told(app.model)
    if isinstance(source, Scripted):
        source.told = told
    async with app.run_test(size=size) as pilot:
        yield Shown(app, pilot, told)


def busy(told):
    """Streams of every kind, an hour's work in a few lines."""
    told.snapshot()
    told.started("req_00000001", "gpt-4o", provider="openai", agent_type="codex", tenant="acme",
                 operation="chat", trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331",
                 session_id="session-1", server_address="api.openai.com", source="upstream")  # fmt: skip
    told.started("req_00000002", "claude-sonnet-4-20250514", provider="anthropic", agent_type="claude-code")
    told.started("req_00000003", "gemini-2.5-pro", provider="gcp.gemini", agent_type="batch", tenant="globex")
    told.started("req_00000004", "gpt-4o-mini", provider="openai")
    told.wait(0.5).said("The quick brown fox jumps over the lazy dog. ", "req_00000001")
    told.said("Let me think about foxes. ", "req_00000002", "reasoning")
    told.said("It begins", "req_00000003")
    for _ in range(40):
        told.wait(0.25).said("Foxes are small to medium-sized omnivorous mammals. ", "req_00000001")
        told.said("And about dogs. ", "req_00000002", "reasoning")
    told.wait(0.5).said('{"animal":"fox"}', "req_00000002", "tool_call")
    told.started("req_00000005", "gpt-4o", provider="openai", agent_type="codex")
    told.failed("req_00000004", "Rate limit reached", error_type="rate_limit_error")
    told.started("req_00000006", "gpt-4o", provider="openai").wait(0.25).said("Done.", "req_00000006")
    told.completed("req_00000006", 1200, 2, 0.0123, duration_s=0.25, time_to_first_token_s=0.25)
    told.snapshot(
        told.state("req_00000001", sequence=41, chunks=41, characters=2125, cost_usd=0.0061, input_tokens=90),
        *(told.state(f"req_0000000{number}") for number in (2, 3, 5)),
    )
    return told
