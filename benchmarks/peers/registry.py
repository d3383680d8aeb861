"""Who is measured: one row each. What they need installed, and what there is to know about the row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPENAI = "openai==3.54.0"
SDK = "opentelemetry-sdk==1.45.2"
OURS = "otel-stream"


@dataclass(frozen=True, slots=True)
class Peer:
    """One instrumentation. `name` is its switch in `switches.py`; `package` the one whose version is told."""

    name: str
    title: str
    package: str
    requirements: tuple[str, ...]
    chunks: int = 1000
    """How long the long streams are; fewer for the one that takes a second for a thousand."""


PEERS = (
    Peer(OURS, "otel-stream", "otel-stream", (f"-e {ROOT}", OPENAI)),
    Peer(
        "official",
        "OpenTelemetry GenAI (official)",
        "opentelemetry-instrumentation-genai-openai",
        ("opentelemetry-instrumentation-genai-openai==1.3b0", OPENAI, SDK),
    ),
    Peer(
        "openai-v2",
        "OpenTelemetry openai-v2 (deprecated)",
        "opentelemetry-instrumentation-openai-v2",
        # With a newer util-genai it fails when it is switched on; it imports httpx and does not say so.
        (
            "opentelemetry-instrumentation-openai-v2==2.4b0",
            "opentelemetry-util-genai==1.1b0",
            "httpx",
            OPENAI,
            SDK,
        ),
    ),
    Peer(
        "openllmetry",
        "OpenLLMetry",
        "opentelemetry-instrumentation-openai",
        ("opentelemetry-instrumentation-openai==0.62.4", OPENAI, SDK),
    ),
    Peer(
        "openinference",
        "OpenInference",
        "openinference-instrumentation-openai",
        ("openinference-instrumentation-openai==0.1.66", OPENAI, SDK),
    ),
    Peer("openlit", "OpenLIT", "openlit", ("openlit==1.45.0", "openai==2.54.0")),  # takes no openai 3
    Peer("logfire", "Logfire", "logfire", ("logfire==5.2.0", OPENAI)),
    Peer("langfuse", "Langfuse", "langfuse", ("langfuse==5.0.4", OPENAI)),
    Peer(
        "litellm",
        "LiteLLM's otel callback",
        "litellm",
        # 1.82.7, 1.82.8 and 1.107.* were published by attackers.
        ("litellm==1.106.0", SDK, "opentelemetry-exporter-otlp==1.45.2"),
        chunks=200,
    ),
)
