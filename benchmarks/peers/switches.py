"""Switching each instrumentation on, its spans and metrics kept in memory. Runs in the peer's environment."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any


class Observed:
    """What an instrumentation tells: spans that began and ended, metrics. `export` False keeps nothing."""

    def __init__(self, *, export: bool = True) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

        class Nowhere(SpanExporter):
            def export(self, spans):
                return SpanExportResult.SUCCESS

        class Watch(SpanProcessor):
            def on_start(_, span, parent_context=None):  # noqa: N805 - `self` is the observer
                self.began.append(span)

            def on_end(_, span):  # noqa: N805
                self.ended.append(span)

        self.began: list[Any] = []
        self.ended: list[Any] = []
        self.processor = Watch() if export else BatchSpanProcessor(Nowhere())
        self.reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(self.processor)
        self.meter_provider = MeterProvider([self.reader])
        self.live: Callable[[], str] = lambda: ""
        """What is seen of a stream that is not over yet, in words; "" for nothing."""

    def clear(self) -> None:
        self.began.clear()
        self.ended.clear()


def on(name: str, observed: Observed) -> None:
    """Switch the instrumentation on for this process."""
    SWITCHES[name](observed)


def _instrumentor(module: str) -> Callable[[Observed], None]:
    def switch(observed: Observed) -> None:
        importlib.import_module(module).OpenAIInstrumentor().instrument(
            tracer_provider=observed.tracer_provider, meter_provider=observed.meter_provider
        )

    return switch


def _ours(observed: Observed) -> None:
    from prometheus_client import CollectorRegistry

    from otel_stream import runtime
    from otel_stream.instrumentation import StreamInstrumentor

    StreamInstrumentor().instrument(
        tracer_provider=observed.tracer_provider,
        meter_provider=observed.meter_provider,
        registry=CollectorRegistry(),
        prometheus_port=0,
    )

    def live() -> str:
        states = runtime.current().processor.snapshot()
        return ", ".join(f"{state.chunks} chunks, {state.characters} characters" for state in states)

    observed.live = live


def _openlit(observed: Observed) -> None:
    import openlit
    from opentelemetry import metrics, trace

    trace.set_tracer_provider(observed.tracer_provider)
    metrics.set_meter_provider(observed.meter_provider)
    openlit.init(disable_events=True)  # it takes the providers that there are


def _logfire(observed: Observed) -> None:
    import logfire

    logfire.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[observed.processor],
        inspect_arguments=False,
    )
    logfire.instrument_openai()


def _langfuse(observed: Observed) -> None:
    import langfuse
    import langfuse.openai  # patches the SDK
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    langfuse.Langfuse(
        public_key="pk",
        secret_key="sk",
        base_url="http://127.0.0.1:9",  # nobody is there
        span_exporter=InMemorySpanExporter(),
        tracer_provider=observed.tracer_provider,
    )


def _litellm(observed: Observed) -> None:
    import litellm
    from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig

    litellm.callbacks = [
        OpenTelemetry(
            config=OpenTelemetryConfig(exporter="console"),
            tracer_provider=observed.tracer_provider,
            meter_provider=observed.meter_provider,
        )
    ]


SWITCHES: dict[str, Callable[[Observed], None]] = {
    "otel-stream": _ours,
    "official": _instrumentor("opentelemetry.instrumentation.genai.openai"),
    "openai-v2": _instrumentor("opentelemetry.instrumentation.openai_v2"),
    "openllmetry": _instrumentor("opentelemetry.instrumentation.openai"),
    "openinference": _instrumentor("openinference.instrumentation.openai"),
    "openlit": _openlit,
    "logfire": _logfire,
    "langfuse": _langfuse,
    "litellm": _litellm,
}

# Offline, and quiet about it.
os.environ.update(
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    LITELLM_LOG="ERROR",
    OTEL_TRACES_EXPORTER="none",
    OTEL_METRICS_EXPORTER="none",
    OTEL_LOGS_EXPORTER="none",
    LOGFIRE_IGNORE_NO_CONFIG="1",
    LOGFIRE_TOKEN="",
)
