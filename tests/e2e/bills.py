"""What a recorded answer costs, worked out without otel_stream: its last usage, priced by genai-prices."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from genai_prices import Usage, calc_price

VENDORS = {"openai.chat": "openai", "anthropic.messages": "anthropic"}


def bill(recording):
    """Return dollars: what the provider says, else by the price table; 0 for an answer without usage."""
    frames = [json.loads(line) for line in re.findall(r"^data: (\{.*)$", recording.body, re.MULTILINE)]
    costs = [frame["usage"]["cost"] for frame in frames if "cost" in (frame.get("usage") or {})]
    if costs:
        return Decimal(str(costs[-1]))
    model, usage = _openai(frames) if recording.api == "openai.chat" else _anthropic(frames)
    if usage is None:
        return Decimal(0)
    return calc_price(usage, model_ref=model, provider_id=VENDORS[recording.api]).total_price


def _openai(frames):
    reported = [frame["usage"] for frame in frames if frame.get("usage")]
    if not reported:
        return None, None
    cached = (reported[-1].get("prompt_tokens_details") or {}).get("cached_tokens") or None
    return frames[0]["model"], Usage(
        input_tokens=reported[-1]["prompt_tokens"],
        cache_read_tokens=cached,
        output_tokens=reported[-1]["completion_tokens"],
    )


def _anthropic(frames):
    """The last word on each number counts; Anthropic's input does not include what is cached."""
    usage = {}
    for frame in frames:
        found = frame.get("message", frame).get("usage") or {}
        usage |= {name: number for name, number in found.items() if number is not None}
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    return frames[0]["message"]["model"], Usage(
        input_tokens=usage["input_tokens"] + read + written,
        cache_read_tokens=read or None,
        cache_write_tokens=written or None,
        output_tokens=usage["output_tokens"],
    )
