"""The demo from start to end: processes up, streams shown, everything down, and the books balanced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx2
import msgspec

from otel_stream.demo import feed
from otel_stream.demo.greeting import addresses_to_open, greeting, notes_for_the_screen
from otel_stream.demo.launch import (
    Options,
    addresses,
    events_socket,
    gateway_command,
    gateway_environment,
    live_folder,
    provider_command,
    screen_command,
)
from otel_stream.demo.listing import Listing, counts, summary, verdict
from otel_stream.demo.load import Load
from otel_stream.demo.processes import Child, ChildFailed
from otel_stream.demo.tally import differences, totals_of
from otel_stream.live.rendezvous import discover

SUMS_SECONDS = 5.0
METRICS_SECONDS = 5.0  # /metrics is up before the gateway is; if it is not, nothing was instrumented
GRACE_SECONDS = 10.0  # that open calls have to come to their end when the time is over
SETTLE_SECONDS = 5.0  # that events have to arrive after the last call
LOOK_SECONDS = 0.2  # how often is looked whether they have


class Demo:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.at, self.notes = addresses(options)
        self.folder = Path()
        """Where its sockets and logs are while it runs."""
        self.has_screen = _on_a_terminal() and not options.plain and options.spans != "-"
        self.listing = Listing(quiet=self.has_screen)
        self.load = Load(f"http://127.0.0.1:{self.at.gateway}", rate=options.rate, seed=options.seed)
        self._children: list[Child] = []
        self._stop = asyncio.Event()

    def main(self) -> int:
        """Run it and return the exit code: 0 when the totals of the events agree with /metrics."""
        return asyncio.run(self.run())

    async def run(self) -> int:
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._listen_to_signals(stack)
                self.folder = stack.enter_context(_temporary_folder())
                await stack.enter_async_context(feed.listen(events_socket(self.folder), self.listing.add))
                await self._start_children(stack)
                await self._show()
                page = await self._page()
                ledger = await _get(f"http://127.0.0.1:{self.at.provider}/ledger")
            return self._close(page, ledger)
        except ChildFailed as failure:
            print(failure, file=sys.stderr)
            return 1

    # -- starting

    def _listen_to_signals(self, stack: contextlib.AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
            stack.callback(loop.remove_signal_handler, number)

    async def _start_children(self, stack: contextlib.AsyncExitStack) -> None:
        self._say(["starting the provider and the gateway ..."])
        spans = stack.enter_context(self._spans_file())
        command = provider_command(self.options, self.at)
        provider = await Child.start("provider", command, env=os.environ, log=self.folder / "provider.log")
        stack.push_async_callback(provider.stop)
        gateway = await Child.start(
            "gateway",
            gateway_command(self.at),
            env=gateway_environment(self.options, self.at, self.folder),
            log=self.folder / "gateway.log",
            stdout=spans,
        )
        stack.push_async_callback(gateway.stop)
        await provider.ready(self.at.provider)
        await gateway.ready(self.at.gateway)
        await gateway.ready(self.at.metrics, METRICS_SECONDS)
        self._children = [provider, gateway]

    @contextlib.contextmanager
    def _spans_file(self) -> Iterator[IO[bytes] | int | None]:
        """Yield where the gateway's spans go: nowhere, to our own output or to a file."""
        match self.options.spans:
            case "":
                yield asyncio.subprocess.DEVNULL
            case "-":
                yield None
            case path:
                with Path(path).open("ab") as file:
                    yield file

    # -- running

    async def _show(self) -> None:
        """Let the callers call and show what happens until it is time to stop."""
        where = (self.options, self.at, discover(live_folder(self.folder)))
        self._say(greeting(self.options, self.notes, addresses_to_open(*where)))
        calling, summing = _task(self.load.run()), _task(self._sums())
        try:
            async with self._screen([*self.notes, *notes_for_the_screen(*where)]) as screens:
                await self._until_time_is_over(screens, calling)
            self._say(["stopping ..."])
            calling.cancel()
            await self.load.finish()
            await self._settle()
        finally:
            calling.cancel()
            summing.cancel()
            await self.load.finish()

    @contextlib.asynccontextmanager
    async def _screen(self, notes: list[str]) -> AsyncIterator[list[Child]]:
        """Yield the screen, if there is to be one; it is gone afterwards, and the terminal ours again."""
        if not self.has_screen or self._stop.is_set():
            yield []
            return
        screen = await Child.in_our_terminal("screen", screen_command(self.folder, notes))
        try:
            yield [screen]
        finally:
            await screen.stop()

    async def _until_time_is_over(self, screens: list[Child], calling: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait_for(self._until_stopped(screens), self.options.duration_seconds)
        except asyncio.TimeoutError:  # in Python 3.10 not the builtin
            calling.cancel()
            ends = (self.load.idle(), self._stop.wait(), *(screen.wait() for screen in screens))
            await self._first_of(*ends, timeout=GRACE_SECONDS)

    async def _until_stopped(self, screens: list[Child]) -> None:
        """Wait for a signal, or for somebody to leave the screen. Raises: ChildFailed when a child fails."""
        children = [*self._children, *screens]
        done = await self._first_of(*(child.wait() for child in children), self._stop.wait())
        for child, code in ((child, done[index]) for index, child in enumerate(children) if index in done):
            if not self._stop.is_set() and (code or child not in screens):
                raise ChildFailed(child.complaint("ended"))

    async def _first_of(
        self, *waits: Coroutine[Any, Any, Any], timeout: float | None = None
    ) -> dict[int, Any]:
        """Wait until one of them is done; return the results of which are, none when the time is over."""
        tasks = [_task(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return {index: task.result() for index, task in enumerate(tasks) if task in done}

    async def _sums(self) -> None:
        while True:
            await asyncio.sleep(SUMS_SECONDS)
            self.listing.sums()

    # -- ending

    async def _settle(self) -> None:
        """Wait until the last events have arrived, for a while."""
        for _ in range(int(SETTLE_SECONDS / LOOK_SECONDS)):
            await asyncio.sleep(LOOK_SECONDS)
            if not self.listing.tally.open:
                page = await self._page()
                if page is not None and not differences(self.listing.tally.totals, totals_of(page)):
                    return

    async def _page(self) -> str | None:
        """Return the /metrics page as it stands; None when it cannot be had."""
        return await _get(self.at.metrics_url)

    def _close(self, page: str | None, ledger: str | None) -> int:
        tally = self.listing.tally
        counted = None if page is None else totals_of(page)
        sent = msgspec.json.decode(ledger)["outcomes"] if ledger is not None else {}
        self._say(["", *summary(tally, counted), ""])
        self._say(
            [f"What the provider sent: {counts(sent)}.", f"What the callers saw: {counts(self.load.seen)}."]
        )
        self._say(verdict(tally.totals, counted))
        return 1 if counted is None or differences(tally.totals, counted) else 0

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line, flush=True)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="otel-stream-demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _task(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def _get(url: str) -> str | None:
    try:
        async with httpx2.AsyncClient() as client:
            answer = await client.get(url)
    except httpx2.HTTPError:
        return None
    return answer.text if answer.is_success else None
