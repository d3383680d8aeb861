"""What runs beside the streams in a process: counters, live endpoint, tail; each only where it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_stream._guard import guard
from otel_stream.config import Settings
from otel_stream.processor import StreamSpanProcessor


class Services:
    """Made and closed with the runtime. All of them read from the processor and its broadcaster."""

    def __init__(
        self,
        settings: Settings,
        processor: StreamSpanProcessor,
        *,
        registry: Any,
        status: Callable[[], bytes] | None,
    ) -> None:
        """Raises: SettingError for a target of `tail` that cannot be used."""
        self._settings = settings
        self._processor = processor
        self._closers: list[Callable[[], object]] = []
        self.tail_waits = False
        """A forked child has no tail yet: its thread stayed with the parent."""
        self.start_tail()
        self.metrics = self._counters(registry) if settings.prometheus else None
        self.live_server = self._live(registry, status) if settings.live != "off" else None

    def start_tail(self) -> None:
        """Start the tail where it is wanted; again with a forked child's first stream."""
        self.tail_waits = False
        if target := self._settings.tail:
            from otel_stream.live import tail_writer  # noqa: PLC0415 - only where it is wanted

            broadcaster, text = self._processor.broadcaster, self._settings.live_text
            self._closers.append(tail_writer.start(broadcaster, target, text=text))

    def forked(self) -> None:
        """Begin anew in a forked child."""
        self.tail_waits = True
        if self.metrics is not None:
            self.metrics.forked()

    def close(self) -> None:
        """Stop threads and servers, the last one first."""
        while self._closers:
            with guard("shutdown"):
                self._closers.pop()()

    def _counters(self, registry: Any) -> Any:
        from otel_stream.metrics.process import ProcessMetrics  # noqa: PLC0415 - 0.1 s, where it is wanted

        find, broadcaster = self._processor.find, self._processor.broadcaster
        metrics = ProcessMetrics(registry, self._settings, find=find, broadcaster=broadcaster)
        self._closers.append(metrics.close)
        return metrics

    def _live(self, registry: Any, status: Callable[[], bytes] | None) -> Any:
        from otel_stream.live.server import serve  # noqa: PLC0415 - only where it is wanted

        metrics = None
        if self.metrics is not None:
            from prometheus_client import REGISTRY  # noqa: PLC0415 - loaded by now

            from otel_stream.live.scrape import metrics_of  # noqa: PLC0415 - likewise

            metrics = metrics_of(registry or REGISTRY)
        server = serve(self._processor, self._settings, metrics=metrics, status=status)
        if server is not None:
            self._closers.append(server.close)
        return server
