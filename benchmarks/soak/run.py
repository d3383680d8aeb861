"""The soak from start to end: gateways loaded in turns, everything measured, and the books compared."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.soak import plan, report
from benchmarks.soak.books import Counters, Ledger, Line, compare
from benchmarks.soak.callers import BEGIN_SECONDS, Callers
from benchmarks.soak.collector import Collector, collector
from benchmarks.soak.options import Options
from benchmarks.soak.report import NAMES
from benchmarks.soak.servers import Gateway, Servers, get
from benchmarks.soak.usage import MIB, Record, Rest, Sample, Stretch
from otel_stream.demo.processes import ChildFailed

PROGRESS_SECONDS = 5.0
SETTLE_SECONDS = 20.0  # that the last events have to arrive, and gateways to notice who left
POOL_SECONDS = 5.5  # after which the gateway's client lets go of idle connections, at its next call


class Soak:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = Path(options.folder or tempfile.mkdtemp(prefix="otel-stream-soak-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.records: dict[str, Record] = defaultdict(Record)
        self.lines: list[Line] = []
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Return the exit code: 0 when the books agree and nothing is left behind."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._listen_to_signals(stack)
                await self._start(stack)
                await self._one_worker()
                if not self._stop.is_set():
                    await self._two_workers()
        except ChildFailed as failure:
            print(failure, file=sys.stderr)
            return 1
        else:
            return self._close()
        finally:
            self._tidy_up()

    def _close(self) -> int:
        """Print what was measured beside the books, and the closing line."""
        verdicts: list[report.Verdict] = []
        plain, ours = self.records["plain"], self.records["one"]
        if plain.complete and ours.complete:
            verdicts = report.left_behind(plain, ours)
            print(report.left_table(verdicts))
            print(report.loop_table(self.records))
        print(report.logs(dict(self._servers.logs())), end="")
        words, code = report.closing(self.lines, verdicts)
        print(words)
        return code

    def _tidy_up(self) -> None:
        if self.options.folder:
            measured = {name: record.as_dict() for name, record in self.records.items()}
            (self.folder / "measured.json").write_bytes(msgspec.json.encode(measured))
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- starting

    def _listen_to_signals(self, stack: contextlib.AsyncExitStack) -> None:
        """End gently at the first Ctrl-C, with the books of what there was; at the second at once."""
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()

        def stop() -> None:
            if self._stop.is_set() and me is not None:
                me.cancel()
            print("\nending: open calls come to their end, then the books are compared", flush=True)
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
            stack.callback(loop.remove_signal_handler, number)

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        self._session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=timeout)
        )
        self._collector: Collector = await stack.enter_async_context(collector())
        options = self.options
        self._servers = Servers(
            self.folder, timeout_seconds=options.timeout_seconds, collector=self._collector.url
        )
        stack.push_async_callback(self._servers.stop)
        self._provider = await self._servers.provider(options.gap_seconds)
        self._callers = Callers(self._session, self._provider, options.gap_seconds)

    # -- the parts

    async def _one_worker(self) -> None:
        """Load a gateway as it is and one with us in turns, between them one with OpenTelemetry alone."""
        options = self.options
        print(f"one worker, {options}", flush=True)
        plain = await self._servers.gateway("plain", watched=False)
        between = [await self._servers.gateway("sdk", watched=True, ours=False)] if options.sdk else []
        ours = await self._servers.gateway("one", watched=True)
        gateways = [plain, *between, ours]
        print("  first a call of each kind", flush=True)
        await asyncio.gather(*map(self._warm_up, gateways))
        for _ in range(options.rounds):
            for gateway in gateways:
                await self._rest(gateway)
                await self._turn(gateway, options.turn_seconds)
        await asyncio.sleep(POOL_SECONDS)
        await self._rest(plain)
        await self._rest(ours)
        await self._balance(ours, "of one worker")
        for gateway in gateways:
            await gateway.child.stop()

    async def _two_workers(self) -> None:
        print(f"two workers with us for {self.options.several_seconds:g} s", flush=True)
        gateway = await self._servers.gateway("two", watched=True, workers=2)
        await self._turn(gateway, self.options.several_seconds)
        await self._balance(gateway, "of two workers")

    # -- under load

    async def _turn(self, gateway: Gateway, seconds: float) -> None:
        """Load the gateway for so long, then let its calls come to their end."""
        if self._stop.is_set():
            return
        enough = asyncio.Event()
        load = asyncio.ensure_future(
            self._callers.load(gateway.url, gateway.name, self.options.streams, enough)
        )
        try:
            await self._pause(BEGIN_SECONDS)
            await self._measure(gateway, seconds)
            enough.set()
            await load
        finally:
            load.cancel()
        await self._until(self._drained)

    async def _measure(self, gateway: Gateway, seconds: float) -> None:
        record, clock = self.records[gateway.name], asyncio.get_running_loop().time
        loaded, cpu, pieces = record.loaded_seconds, gateway.use().cpu_seconds, await self._pieces()
        await gateway.lags()  # those before
        began = shown = clock()
        while (now := clock()) - began < seconds and not self._stop.is_set():
            ended = self._callers.count(gateway.name).total()
            record.samples.append(Sample(loaded + now - began, ended, gateway.use().rss_bytes))
            if now - shown >= PROGRESS_SECONDS:
                shown = now
                print(self._progress(gateway, record.samples[-1]), flush=True)
            await self._pause(1.0)
        took, cpu = clock() - began, gateway.use().cpu_seconds - cpu
        pieces = await self._pieces() - pieces
        record.stretches.append(Stretch(await gateway.lags(), took, cpu, pieces))

    def _progress(self, gateway: Gateway, sample: Sample) -> str:
        minutes, seconds = divmod(round(sample.seconds), 60)
        return (
            f"  {NAMES[gateway.name]:20} {minutes:3}:{seconds:02} under load {self._callers.open:5} open"
            f" {sample.calls:7,} ended {sample.rss_bytes / MIB:7.1f} MiB"
        )

    async def _warm_up(self, gateway: Gateway) -> None:
        """Make a call of each kind, after which nothing is left to be done for the first time."""
        calls = plan.each_kind(gateway.name)
        await asyncio.gather(*(self._callers.call(gateway.url, call) for call in calls))
        await asyncio.sleep(POOL_SECONDS)

    # -- at rest

    async def _rest(self, gateway: Gateway) -> None:
        """Have idle connections dropped, which the gateway's pool does at its next call, and look."""
        name, record = gateway.name, self.records[gateway.name]
        tries = (f"{name}-rest{len(record.rests)}.{number}" for number in itertools.count())
        call = next(call for call in map(plan.call, tries) if call.conduct == "whole")
        await self._callers.call(gateway.url, call)
        await asyncio.sleep(0.5)  # the task that answered goes
        found, use = await gateway.rest(), gateway.use()
        calls = self._callers.count(name).total()
        record.rests.append(Rest(calls, found["blocks"], found["tasks"], use.fds, use.threads))

    async def _balance(self, gateway: Gateway, title: str) -> None:
        """Wait for the last events to arrive, and compare the books."""
        series = f"{gateway.name}-"
        rows = msgspec.json.decode(await get(self._session, f"{self._provider}/ledger"))["rows"]
        ledger = Ledger([row for row in rows if row[0].startswith(series)], self._callers.saw)
        lines: list[Line] = []

        async def agreed() -> bool:
            counters = Counters((await get(self._session, gateway.metrics_url)).decode())
            spans = [s for s in self._collector.spans if s.call is None or s.call.startswith(series)]
            lines[:] = compare(ledger, counters, spans)
            return all(line.agrees for line in lines)

        await self._until(agreed)
        lines.append(Line("answers changed on the way", 0, self._callers.count(gateway.name)["garbled"]))
        print(report.books(title, ledger, lines))
        self.lines += lines

    # -- waiting

    async def _drained(self) -> bool:
        return (await self._status())["open"] == 0

    async def _pieces(self) -> int:
        return (await self._status())["pieces"]

    async def _status(self) -> dict[str, int]:
        """Return how it goes at the provider."""
        return msgspec.json.decode(await get(self._session, f"{self._provider}/status"), type=dict[str, int])

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until Ctrl-C."""
        with contextlib.suppress(asyncio.TimeoutError):  # in Python 3.10 not the builtin
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it is true, for a while."""
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while not await true() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.5)


def main(options: Options) -> int:
    try:
        return asyncio.run(Soak(options).run())
    except asyncio.CancelledError:
        return 130
