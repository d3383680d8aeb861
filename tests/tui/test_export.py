from __future__ import annotations

import json

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from telling import Told

from otel_stream.events import decode
from otel_stream.tui.export import as_events, as_otlp

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_stream_is_its_public_events_with_the_text_in_one_piece_a_channel():
    told = Told().started().said("hm", channel="reasoning").said("Hel").said("lo").completed()

    lines = as_events(told.model.rows.values()).splitlines()

    assert [json.loads(line)["type"] for line in lines] == [
        "started",
        "text_delta",
        "text_delta",
        "completed",
    ]
    assert [decode(line).text for line in lines[1:3]] == ["hm", "Hello"]
    assert decode(lines[3]) == told.row("req_1").ended


def test_a_stream_in_flight_has_no_end_yet():
    told = Told().started()

    assert len(as_events(told.model.rows.values()).splitlines()) == 1


def otlp(told):
    """The request as tracing tools read it."""
    request = as_otlp(told.model.rows.values(), {"4711": "shop"})
    document = json.loads(request)
    for resource in document["resourceSpans"]:
        for span in resource["scopeSpans"][0]["spans"]:
            assert (len(span["traceId"]), len(span["spanId"])) == (32, 16)
            del span["traceId"], span["spanId"]  # hex in OTLP, base64 in protobuf's own JSON
    return json_format.ParseDict(document, ExportTraceServiceRequest())


def test_spans_are_otlp():
    told = Told().started(
        "a", trace_id=TRACE, span_id=SPAN, operation="chat", provider="openai", tenant="acme"
    )
    told.wait(2).completed("a", 10, 20, 0.5, response_id="r")
    told.started("b", "unknown", gateway="4712", trace_id=TRACE, span_id=SPAN).failed(
        "b", "no", error_type="oops"
    )
    told.started("c", trace_id=TRACE, span_id=SPAN).failed("c", "left", "cancelled")
    told.started("d", trace_id=TRACE, span_id=SPAN).started("e")

    shop, other = otlp(told).resource_spans
    done, left, running = shop.scope_spans[0].spans
    (failed,) = other.scope_spans[0].spans

    assert shop.resource.attributes[0].value.string_value == "shop"
    assert (done.name, done.kind, done.status.code) == ("chat gpt-4o", 3, 0)
    assert done.end_time_unix_nano - done.start_time_unix_nano == 2_000_000_000
    attributes = {one.key: one.value for one in done.attributes}
    assert attributes["gen_ai.usage.output_tokens"].int_value == 20
    assert attributes["otel_stream.cost_usd"].double_value == 0.5
    assert attributes["otel_stream.tenant"].string_value == "acme"
    assert (failed.name, failed.status.code, failed.status.message) == ("chat", 2, "no")
    assert {one.key: one.value.string_value for one in failed.attributes}["error.type"] == "oops"
    assert left.status.code == 0
    assert running.end_time_unix_nano == 0
