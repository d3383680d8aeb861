"""The GenAI semantic conventions as rules over what arrived: names, types, levels, units, buckets.

After the registry's YAML (spans.yaml, metrics.yaml, token-metrics.yaml), and for bounds the pages beside it.
Its policies are Rego and their runner a Rust program, so they are written anew here.
https://github.com/open-telemetry/semantic-conventions-genai/tree/main/model/gen-ai
"""

from __future__ import annotations

from e2e.otlp import attributes
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

# spans.yaml, the client span of inference: attribute → type. `*` marks the required ones, `+` those of v1.41
# that `dup` keeps.
SPAN = {
    "gen_ai.operation.name": "string*",
    "gen_ai.provider.name": "string*",
    "error.type": "string",
    "server.address": "string",
    "server.port": "int",
    "gen_ai.conversation.id": "string",
    "gen_ai.output.type": "string",
    "gen_ai.request.choice.count": "int",
    "gen_ai.request.model": "string",
    "gen_ai.request.seed": "int",
    "gen_ai.request.stream": "bool",
    "gen_ai.request.top_k": "int",
    "gen_ai.request.frequency_penalty": "double",
    "gen_ai.request.presence_penalty": "double",
    "gen_ai.request.temperature": "double",
    "gen_ai.request.top_p": "double",
    "gen_ai.request.max_tokens": "int",
    "gen_ai.request.stop_sequences": "string[]",
    "gen_ai.request.reasoning.level": "string",
    "gen_ai.request.previous_response.id": "string",
    "gen_ai.response.id": "string",
    "gen_ai.response.model": "string",
    "gen_ai.response.finish_reasons": "string[]",
    "gen_ai.response.time_to_first_chunk": "double",
    "gen_ai.usage.input_tokens": "int",
    "gen_ai.usage.output_tokens": "int",
    "gen_ai.usage.cache_read.input_tokens": "int",
    "gen_ai.usage.cache_write.input_tokens": "int",
    "gen_ai.usage.cache_creation.input_tokens": "int+",
    "gen_ai.usage.reasoning.output_tokens": "int",
    "gen_ai.usage.audio.input_tokens": "int",
    "gen_ai.usage.audio.output_tokens": "int",
    "openai.api.type": "string",
    "openai.request.service_tier": "string",
    "openai.response.service_tier": "string",
    "openai.response.system_fingerprint": "string",
}
OPERATIONS = {"chat", "generate_content", "text_completion", "embeddings"}
PROVIDERS = {"openai", "anthropic"}  # of those the conventions know, what the demo has

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(float(4**power) for power in range(14))
COMMON = {
    "gen_ai.operation.name": "string*",
    "gen_ai.provider.name": "string*",
    "gen_ai.request.model": "string",
    "gen_ai.response.model": "string",
    "server.address": "string",
    "server.port": "int",
}
ERRING = {**COMMON, "error.type": "string"}
COUNTED = {**COMMON, "gen_ai.token.modality": "string*"}
TYPED = {**COMMON, "gen_ai.token.type": "string*"}
NEW, OLD = "gen_ai.client.inference", "gen_ai.client"

# metrics.yaml and token-metrics.yaml: name → (kind, unit, bounds, attributes).
METRICS = {
    f"{NEW}.duration": ("histogram", "s", SECONDS, ERRING),
    f"{NEW}.time_to_first_chunk": ("histogram", "s", SECONDS, COMMON),
    f"{NEW}.time_per_output_chunk": ("histogram", "s", SECONDS, COMMON),
    f"{NEW}.operation.input_tokens": ("histogram", "{token}", TOKENS, ERRING),
    f"{NEW}.operation.output_tokens": ("histogram", "{token}", TOKENS, ERRING),
    f"{NEW}.usage.input_tokens": ("sum", "{token}", None, COUNTED),
    f"{NEW}.usage.output_tokens": ("sum", "{token}", None, COUNTED),
    f"{NEW}.usage.cache_read.input_tokens": ("sum", "{token}", None, COUNTED),
    f"{NEW}.usage.cache_write.input_tokens": ("sum", "{token}", None, COUNTED),
    f"{NEW}.usage.reasoning.output_tokens": ("sum", "{token}", None, COUNTED),
    f"{OLD}.operation.duration": ("histogram", "s", SECONDS, ERRING),
    f"{OLD}.operation.time_to_first_chunk": ("histogram", "s", SECONDS, COMMON),
    f"{OLD}.operation.time_per_output_chunk": ("histogram", "s", SECONDS, COMMON),
    f"{OLD}.token.usage": ("histogram", "{token}", TOKENS, TYPED),
}


def span_problems(span):
    """Return what the conventions have against a client span of inference."""
    found = attributes(span)
    failed = span.status.code == Status.STATUS_CODE_ERROR
    operation, model = found.get("gen_ai.operation.name"), found.get("gen_ai.request.model")
    rules = {
        "its kind is CLIENT": span.kind == Span.SPAN_KIND_CLIENT,
        "its name is operation and model": span.name == (f"{operation} {model}" if model else operation),
        "its status is never OK": span.status.code != Status.STATUS_CODE_OK,
        "error.type goes with status ERROR": failed == ("error.type" in found),
        "its operation is a known one": operation in OPERATIONS,
        "its provider is a known one": found.get("gen_ai.provider.name") in PROVIDERS,
        "stream is only ever true": found.get("gen_ai.request.stream", True) is True,
        "an address has its port": ("server.port" in found) == ("server.address" in found),
        "a model that was asked for is told": "gen_ai.request.model" in found,
        "first chunks are of streams": ("gen_ai.response.time_to_first_chunk" in found)
        <= ("gen_ai.request.stream" in found),
        "input includes what is cached": _part(found, "cache_read.input_tokens", "input_tokens")
        and _part(found, "cache_write.input_tokens", "input_tokens"),
        "output includes reasoning": _part(found, "reasoning.output_tokens", "output_tokens"),
        "it ends after it began": span.end_time_unix_nano > span.start_time_unix_nano,
    }
    return [rule for rule, kept in rules.items() if not kept] + list(_attribute_problems(found, SPAN))


def metric_problems(metric):
    """Return what the conventions have against a metric of theirs."""
    if metric.name not in METRICS:
        return [f"{metric.name} is not in the conventions"]
    kind, unit, bounds, known = METRICS[metric.name]
    if metric.WhichOneof("data") != kind or metric.unit != unit:
        return [f"is a {metric.WhichOneof('data')} in {metric.unit!r}, not a {kind} in {unit!r}"]
    problems = []
    data = getattr(metric, kind)
    if kind == "sum" and not (
        data.is_monotonic and data.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    ):
        problems.append("is not a counter")
    for point in data.data_points:
        if bounds is not None and tuple(point.explicit_bounds) != bounds:
            problems.append(f"has the bounds {list(point.explicit_bounds)}")
        problems += _attribute_problems(attributes(point), known)
    return problems


def _part(found, part, whole):
    return found.get(f"gen_ai.usage.{part}", 0) <= found.get(f"gen_ai.usage.{whole}", 0)


def _attribute_problems(found, known):
    for name, kind in known.items():
        if kind.endswith("*") and name not in found:
            yield f"{name} is required"
    for name, value in found.items():
        if name.startswith("otel_stream."):
            continue
        if name not in known:
            yield f"{name} is not in the conventions"
        elif _type_of(value) != known[name].rstrip("*+"):
            yield f"{name} is a {_type_of(value)}"


def _type_of(value):
    if isinstance(value, list):
        return "string[]" if all(isinstance(item, str) for item in value) else "mixed[]"
    return {bool: "bool", int: "int", float: "double", str: "string"}[type(value)]
