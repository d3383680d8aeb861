"""The demo from start to end: processes up, streams shown, everything down, and the books balanced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import httpx2
import msgspec

from otel_stream.demo import feed
from otel_stream.demo.launch import (
    Options,
    addresses,
    gateway_command,
    gateway_environment,
    provider_command,
    where_spans_go,
)
from otel_stream.demo.load import Load
from otel_stream.demo.processes import Child, ChildFailed
from otel_stream.demo.screen import Board, Painter, Printer, summary
from otel_stream.demo.tally import differences, totals_of
from otel_stream.events import StreamEvent

REFRESH_SECONDS = 0.2
SUMS_SECONDS = 5.0
METRICS_SECONDS = 5.0  # /metrics is up before the gateway is; if it is not, nothing was instrumented
GRACE_SECONDS = 10.0  # that open calls have to come to their end when the time is over
SETTLE_SECONDS = 5.0  # that events have to arrive after the last call


class Demo:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.board = Board()
        self.at, self.notes = addresses(options)
        self.folder = Path(tempfile.mkdtemp(prefix="otel-stream-demo-"))
        terminal = sys.stdout.isatty() and not options.plain and options.spans != "-"
        self.out: Painter | Printer = (
            Painter(self.board, sys.stdout, shutil.get_terminal_size())
            if terminal
            else Printer(self.board, sys.stdout)
        )
        self._stop = asyncio.Event()

    def main(self) -> int:
        """Run it and return the exit code: 0 when the totals of the events agree with /metrics."""
        return asyncio.run(self.run())

    async def run(self) -> int:
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._listen_to_signals(stack)
                await stack.enter_async_context(feed.listen(self._socket, self._on_event))
                await self._start_children(stack)
                self._say(self._greeting())
                await self._show()
                page = await self._page()
                ledger = await _get(f"http://127.0.0.1:{self.at.provider}/ledger")
            return self._close(page, ledger)
        except ChildFailed as failure:
            print(failure, file=sys.stderr)
            return 1
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- starting

    @property
    def _socket(self) -> Path:
        return self.folder / "events.sock"

    def _listen_to_signals(self, stack: contextlib.AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
            stack.callback(loop.remove_signal_handler, number)

    async def _start_children(self, stack: contextlib.AsyncExitStack) -> None:
        print("starting the provider and the gateway ...", flush=True)
        spans = stack.enter_context(self._spans_file())
        command = provider_command(self.options, self.at)
        provider = await Child.start("provider", command, env=os.environ, log=self.folder / "provider.log")
        stack.push_async_callback(provider.stop)
        gateway = await Child.start(
            "gateway",
            gateway_command(self.at),
            env=gateway_environment(self.options, self.at, self._socket),
            log=self.folder / "gateway.log",
            stdout=spans,
        )
        stack.push_async_callback(gateway.stop)
        await provider.ready(self.at.provider)
        await gateway.ready(self.at.gateway)
        await gateway.ready(self.at.metrics, METRICS_SECONDS)
        self._children = (provider, gateway)

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

    def _greeting(self) -> list[str]:
        at = self.at
        return [
            *self.notes,
            "",
            "A provider that replays recorded streams, a gateway that was not changed, and its callers.",
            f"  gateway   http://127.0.0.1:{at.gateway}/v1/chat/completions and /v1/messages",
            f"  metrics   {at.metrics_url}",
            f"  spans     {where_spans_go(self.options)}",
            f"  provider  http://127.0.0.1:{at.provider}/ledger says what it sent",
            "Ctrl-C ends it." if self.options.duration_seconds is None else "",
            "",
        ]

    # -- running

    def _on_event(self, event: StreamEvent) -> None:
        line = self.board.add(event)
        if line is not None:
            self.out.ended(line)

    async def _show(self) -> None:
        """Let the callers call and show what happens until it is time to stop."""
        load = Load(f"http://127.0.0.1:{self.at.gateway}", rate=self.options.rate, seed=self.options.seed)
        self.seen = load.seen
        calling = _task(load.run())
        showing = (_task(self._refresh()), _task(self._sums()))
        try:
            try:
                await asyncio.wait_for(self._until_stopped(), self.options.duration_seconds)
            except asyncio.TimeoutError:
                calling.cancel()
                await self._first_of(load.idle(), self._stop.wait(), timeout=GRACE_SECONDS)
            finally:
                calling.cancel()
                await load.finish()
            await self._settle()
        finally:
            for task in showing:
                task.cancel()
            self.out.close()

    async def _first_of(self, *waits: Coroutine[Any, Any, Any], timeout: float | None = None) -> set[int]:
        """Wait until one of them is done; return which are, none when the time is over first."""
        tasks = [_task(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return {index for index, task in enumerate(tasks) if task in done}

    async def _until_stopped(self) -> None:
        """Wait for a signal. Raises: ChildFailed when a child ends before it."""
        done = await self._first_of(*(child.wait() for child in self._children), self._stop.wait())
        for index in done - {len(self._children)}:
            raise ChildFailed(self._children[index].complaint("ended"))

    async def _refresh(self) -> None:
        while True:
            if isinstance(self.out, Painter):
                self.out.size = shutil.get_terminal_size()
            self.out.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    async def _sums(self) -> None:
        while True:
            await asyncio.sleep(SUMS_SECONDS)
            self.out.sums()

    # -- ending

    async def _settle(self) -> None:
        """Wait until the last events have arrived, for a while."""
        for _ in range(int(SETTLE_SECONDS / REFRESH_SECONDS)):
            await asyncio.sleep(REFRESH_SECONDS)
            if not self.board.tally.open:
                page = await self._page()
                if page is not None and not differences(self.board.tally.totals, totals_of(page)):
                    return

    async def _page(self) -> str | None:
        """Return the /metrics page as it stands; None when it cannot be had."""
        return await _get(self.at.metrics_url)

    def _close(self, page: str | None, ledger: str | None) -> int:
        totals = self.board.tally.totals
        counted = None if page is None else totals_of(page)
        self._say(["", *summary(self.board.tally.by_model, totals, counted), ""])
        sent = msgspec.json.decode(ledger)["outcomes"] if ledger is not None else {}
        self._say(
            [f"What the provider sent: {_counts(sent)}.", f"What the callers saw: {_counts(self.seen)}."]
        )
        if counted is None:
            self._say([f"{self.at.metrics_url} did not answer, so the totals are not checked."])
            return 1
        wrong = differences(totals, counted)
        for name, by in wrong.items():
            self._say([f"/metrics differs in {name} by {by:+g}"])
        if not wrong:
            self._say(["The totals of the events equal the counters in /metrics."])
        return 1 if wrong else 0

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line, flush=True)


def _task(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


def _counts(of: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(of.items())) or "nothing"


async def _get(url: str) -> str | None:
    try:
        async with httpx2.AsyncClient() as client:
            answer = await client.get(url)
    except httpx2.HTTPError:
        return None
    return answer.text if answer.is_success else None
