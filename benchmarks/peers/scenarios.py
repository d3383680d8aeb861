"""Ten things that happen to a stream, and what an instrumentation records of each. Runs in its own place."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.peers import calls
from benchmarks.peers.registry import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from provider import CHAT, Answer, Provider, sse  # a module beside the tests

INPUT, OUTPUT = 7, 5
FAILURE = {"error": {"message": "The server had an error", "type": "server_error", "code": None}}
MALFORMED = b'data: {"id": "chatcmpl-1", "choices": [{"ind\n\n'


@dataclass(slots=True)
class Record:
    """What was recorded: of a stream `spans` with one span, how it ended, what it says. None: nothing."""

    spans: int = 0
    ended: bool = False
    status: str | None = None
    error_type: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    first_token: bool = False
    cost: bool = False
    outcome: str | None = None
    live: str = ""
    host_error: str | None = None
    """What the application got instead of its own error or bytes."""


Scene = Callable[[str, Provider, Any], Awaitable[str | None]]


def run(name: str, scenario: str, observed: Any) -> dict[str, Any]:
    """Play one scenario and return what was recorded of it."""
    with Provider() as provider:
        return asyncio.run(_play(name, SCENARIOS[scenario], provider, observed))


async def _play(name: str, scene: Scene, provider: Provider, observed: Any) -> dict[str, Any]:
    observed.clear()
    before = _first_tokens(observed)
    record = Record()
    try:
        record.live = await asyncio.wait_for(scene(name, provider, observed), 30) or ""
    except Exception as error:  # the scenes expect what the bare client does; this is the peer's
        record.host_error = type(error).__name__
    for _ in range(40):  # some record in the background
        await asyncio.sleep(0.01)
    spans = [span for span in observed.began if _is_llm(span, observed)]
    ended = [span for span in observed.ended if _is_llm(span, observed)]
    record.spans, record.ended = len(spans), bool(spans) and len(ended) == len(spans)
    if ended:
        _read(record, ended[-1])
        record.first_token |= _first_tokens(observed) > before
    elif spans:
        record.status = "open"
    return asdict(record)


def _is_llm(span: Any, observed: Any) -> bool:
    scope = span.instrumentation_scope.name if span.instrumentation_scope else ""
    return "http" not in scope and not span.name.startswith(("raw_gen_ai_request", "HTTP "))


# -- what happens ------------------------------------------------------------------------------------


async def _call(name: str, provider: Provider, answer: Answer, read: Any = None, **changes: Any) -> Any:
    provider.answer = answer
    base = provider.url("/v1")
    options = {"api_base": base} if name == "litellm" else {}
    async with calls.async_client(base_url=base) as client:
        given = None if name == "litellm" else client
        stream = await calls.acreate(name, given, **options, **changes)
        return await (read or _all)(stream)


async def _all(stream: Any) -> None:
    async for _ in stream:
        pass


async def _normal(name: str, provider: Provider, _: Any) -> None:
    await _call(name, provider, Answer())


async def _no_usage(name: str, provider: Provider, _: Any) -> None:
    answer = Answer((*CHAT[:4], CHAT[5]))
    await _call(name, provider, answer, stream_options=None)


async def _early_break(name: str, provider: Provider, _: Any) -> None:
    async def read(stream: Any) -> None:
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == 3:
                break
        close = getattr(stream, "close", None) or getattr(stream, "aclose", None)
        if close is not None:
            await close()

    await _call(name, provider, Answer(hold_after=4), read)


async def _cancel(name: str, provider: Provider, _: Any) -> None:
    task = asyncio.ensure_future(_call(name, provider, Answer(hold_after=3)))
    await asyncio.to_thread(provider.holding.wait, 30)
    await asyncio.sleep(0.1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _failing(answer: Answer) -> Scene:
    async def scene(name: str, provider: Provider, _: Any) -> None:
        with contextlib.suppress(Exception):
            await _call(name, provider, answer)

    return scene


async def _raw(_: str, provider: Provider, __: Any) -> None:
    client = calls.http().AsyncClient()
    async with client, client.stream("POST", provider.url(), json=calls.REQUEST) as response:
        async for _ in response.aiter_raw():
            pass


async def _live(name: str, provider: Provider, observed: Any) -> str:
    task = asyncio.ensure_future(_call(name, provider, Answer(hold_after=3)))
    await asyncio.to_thread(provider.holding.wait, 30)
    await asyncio.sleep(0.1)
    seen: str = observed.live() or _on_open_spans(observed)
    provider.release()
    await task
    return seen


def _on_open_spans(observed: Any) -> str:
    """Whether an open span says anything of the answer: an event or a number that came with a chunk."""
    spans = [span for span in observed.began if _is_llm(span, observed) and span.end_time is None]
    return next((f"event {span.events[-1].name!r}" for span in spans if span.events), "")


SCENARIOS: dict[str, Scene] = {
    "normal": _normal,
    "no usage": _no_usage,
    "early break": _early_break,
    "cancel": _cancel,
    "reset": _failing(Answer(hold_after=None, end="reset", chunks=CHAT[:3])),
    "mid-stream error": _failing(Answer((*CHAT[:3], *sse(FAILURE)))),
    "429": _failing(Answer((json.dumps(FAILURE).encode(),), 429, {"content-type": "application/json"})),
    "malformed": _failing(Answer((*CHAT[:3], MALFORMED, *CHAT[3:]))),
    "raw pass-through": _raw,
    "live visibility": _live,
}


# -- what was recorded ---------------------------------------------------------------------------------


def _read(record: Record, span: Any) -> None:
    found = dict(span.attributes or {})
    record.status = span.status.status_code.name
    record.error_type = found.get("error.type")
    record.outcome = found.get("otel_stream.outcome")
    record.estimated = (
        found.get("otel_stream.usage.source", found.get("otel_stream.usage_source")) == "estimated"
    )
    record.input_tokens = _number(found, "gen_ai.usage.input_tokens", "llm.token_count.prompt")
    record.output_tokens = _number(found, "gen_ai.usage.output_tokens", "llm.token_count.completion")
    _read_json_usage(record, found)
    record.cost = any("cost" in name and _is_amount(value) for name, value in found.items())
    names = [*found, *(event.name for event in span.events)]
    record.first_token = any(_is_first_token(name) for name in names)


def _read_json_usage(record: Record, found: dict[str, Any]) -> None:
    """Langfuse writes its numbers as a JSON text."""
    details = found.get("langfuse.observation.usage_details")
    if details:
        usage = json.loads(details)
        record.input_tokens = usage.get("prompt_tokens", usage.get("input"))
        record.output_tokens = usage.get("completion_tokens", usage.get("output"))


def _number(found: dict[str, Any], *names: str) -> int | None:
    return next((found[name] for name in names if name in found), None)


def _is_amount(value: object) -> bool:
    with contextlib.suppress(TypeError, ValueError):
        return float(value) > 0  # type: ignore[arg-type]
    return False


def _is_first_token(name: str) -> bool:
    name = name.lower().replace(" ", "_")
    words = (
        "time_to_first",
        "ttft",
        "first_token",
        "first_chunk",
        "completion_start_time",
        "time_to_generate",
    )
    return any(word in name for word in words)


def _first_tokens(observed: Any) -> int:
    """How many first tokens the metrics have counted so far."""
    data = observed.reader.get_metrics_data()
    return sum(
        getattr(point, "count", 0)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if _is_first_token(metric.name)
        for point in metric.data.data_points
    )
