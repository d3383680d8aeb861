"""What one process does for Prometheus: it counts its streams, and has its part in serving `/metrics`.

The runtime holds one of these, and nothing else of prometheus_client, which takes 0.1 s to load.
"""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import REGISTRY, CollectorRegistry

from otel_stream.broadcaster import StreamEventBroadcaster
from otel_stream.call import CallContext
from otel_stream.config import Settings
from otel_stream.metrics import multiprocess
from otel_stream.metrics.endpoint import Endpoint
from otel_stream.metrics.prometheus import Find, StreamMetrics
from otel_stream.recorder import Recorder


class ProcessMetrics:
    """Counters fed by the broadcaster, and the endpoint that shows them."""

    def __init__(
        self,
        registry: CollectorRegistry | None,
        settings: Settings,
        *,
        find: Find,
        broadcaster: StreamEventBroadcaster,
    ) -> None:
        """`registry` None is prometheus_client's own.

        Raises: SettingError for a folder of workers or certificates that cannot be used.
        """
        registry = registry or REGISTRY
        if (folder := multiprocess.folder()) is not None:
            multiprocess.prepare(folder)
        self._counters = StreamMetrics(registry, settings=settings, find=find, broadcaster=broadcaster)
        self._unlisten = broadcaster.add_listener(self._counters.on_event)
        self.endpoint = Endpoint(registry, settings)

    @property
    def waits(self) -> bool:
        """Whether another worker serves `/metrics`, so that `watch` must be called to take over from it."""
        return self.endpoint.is_shared and self.endpoint.server is None

    def watch(self, streams: Collection[Recorder]) -> None:
        """Look over the streams in flight; called about once a second. Never raises."""
        self._counters.watch(streams)
        self.endpoint.look()

    def call_ended(self, call: CallContext, status: int = 0, error: BaseException | None = None) -> None:
        """Count a request to the gateway by how its caller saw it end. Never raises.

        `status` is that of the answer, 0 where there is none; `error` what the gateway's code raised.
        """
        self._counters.call_ended(call, status, error)

    def forked(self) -> None:
        """Begin anew in a forked child, which has neither its parent's streams nor its server."""
        self._counters.forked()
        self.endpoint.forked()

    def close(self) -> None:
        """Stop serving, then counting. Twice is a no-op."""
        self.endpoint.close()
        self._unlisten()
        self._counters.close()
