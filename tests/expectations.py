"""Whether a replayed recording came to what it must: the rules of tests/recordings/README.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from corpus import Case

USAGE_NAMES = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
"""The recordings' names of token counts, and ours."""

OUTCOMES = {"eof_without_signal": "incomplete", "http_error": "error"}
"""The recordings' outcomes that have another name here."""


def differences(case: Case, replay: Any) -> list[str]:
    """Return what differs from the expected result, one line a field; empty when an alternate fits."""
    variants = [_merged(case.expected, alternate["expected"]) for alternate in case.alternates]
    found = [_differences(case, expected, replay) for expected in (case.expected, *variants)]
    return found[0] if all(found) else []


def _merged(expected: dict[str, Any], alternate: dict[str, Any]) -> dict[str, Any]:
    merged = {**expected, **alternate}
    if "text_json_escaped" in alternate and "text" not in alternate:
        del merged["text"]
    return merged


def _differences(case: Case, expected: dict[str, Any], replay: Any) -> list[str]:
    lines = []
    for name, check in CHECKS.items():
        if name in expected and (wrong := check(case, expected, replay)) is not None:
            lines.append(f"{case.id} {name}: {wrong}")
    return lines


def _unequal(expected: object, got: object) -> str | None:
    return None if expected == got else f"expected {_short(expected)}, got {_short(got)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]} … {text[-200:]}"


def _same(name: str) -> Callable[..., str | None]:
    return lambda case, expected, replay: _unequal(expected[name], getattr(replay, name))


def _text(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    if expected["text"] is not None:
        return _unequal(expected["text"], replay.text)
    if "text_is_prefix_of" in expected:
        whole = expected["text_is_prefix_of"]
        return (
            None if whole.startswith(replay.text) else f"{_short(replay.text)} does not begin {_short(whole)}"
        )
    digest = hashlib.sha256(replay.text.encode("utf-8", "surrogatepass")).hexdigest()
    return _unequal((expected["text_len"], expected["text_sha256_utf8"]), (len(replay.text), digest))


def _escaped(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    return _unequal(expected["text_json_escaped"], json.dumps(replay.text)[1:-1])


def _deltas(replay: Any, channel: str) -> list[Any]:
    return [e for e in replay.events if type(e).__name__ == "TextDelta" and e.channel == channel]


def _count_of(channel: str, name: str) -> Callable[..., str | None]:
    return lambda case, expected, replay: _unequal(expected[name], len(_deltas(replay, channel)))


def _text_by_choice(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    choices: dict[str, str] = {}
    for delta in _deltas(replay, "output"):
        choices[str(delta.index)] = choices.get(str(delta.index), "") + delta.text
    return _unequal(expected["text_by_choice"], choices)


def _refusal(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    return _unequal(expected["refusal_text"], "".join(e.text for e in _deltas(replay, "refusal")))


def _tool_calls(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    wanted, got = expected["tool_calls"], replay.tool_calls
    same = len(wanted) == len(got) and all(map(_same_call, wanted, got))
    return None if same else f"expected {_short(wanted)}, got {_short(got)}"


def _same_call(wanted: dict[str, Any], got: dict[str, Any]) -> bool:
    if (wanted["id"], wanted["name"]) != (got["id"], got["name"]):
        return False
    if wanted["arguments"] == got["arguments"]:
        return True
    # An empty input may be {} or nothing, and a JSON value may be given as its text.
    loose = wanted["arguments"] == "" or not isinstance(wanted["arguments"], str)
    return loose and wanted.get("arguments_json") == _json(got["arguments"])


def _json(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return None


def _response_model(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    fine = [expected["response_model"], *expected.get("response_model_alternates", ())]
    if expected["response_model"] is None:
        fine.append((case.request["json"] or {}).get("model"))
    return (
        None if replay.response_model in fine else _unequal(expected["response_model"], replay.response_model)
    )


def _finish_reasons(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    return _unequal(expected["finish_reasons"], list(replay.finish_reasons or ()))


def _usage(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    wanted = expected["usage"] or dict.fromkeys(USAGE_NAMES)
    got = {name: getattr(replay.usage, ours, None) for name, ours in USAGE_NAMES.items()}
    variants = [wanted, *({**wanted, **other} for other in expected.get("usage_alternates") or ())]
    fits = any(all(_same_count(v[name], got[name]) for name in USAGE_NAMES) for v in variants)
    return None if fits else f"expected {_short(wanted)}, got {_short(got)}"


def _same_count(wanted: int | None, got: int | None) -> bool:
    """A count the provider did not report may be told as 0 or not at all."""
    return got in (None, 0) if wanted is None else got == wanted


def _error(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    wanted, got = expected["error"], replay.error
    if wanted is None or got is None:
        return _unequal(wanted, got)
    names = ("type", "code", "message")
    return _unequal([_word(wanted.get(n)) for n in names], [_word(got[n]) for n in names])


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _outcome(case: Case, expected: dict[str, Any], replay: Any) -> str | None:
    return _unequal(OUTCOMES.get(expected["outcome"], expected["outcome"]), replay.outcome)


CHECKS: dict[str, Callable[..., str | None]] = {
    "outcome": _outcome,
    "error": _error,
    "text": _text,
    "text_json_escaped": _escaped,
    "text_by_choice": _text_by_choice,
    "n_text_deltas": _count_of("output", "n_text_deltas"),
    "reasoning_text": _same("reasoning_text"),
    "n_reasoning_deltas": _count_of("reasoning", "n_reasoning_deltas"),
    "refusal_text": _refusal,
    "tool_calls": _tool_calls,
    "response_id": _same("response_id"),
    "response_model": _response_model,
    "finish_reasons": _finish_reasons,
    "usage": _usage,
}
"""Expected field → its check. Fields that are not here (how a result was derived, notes …) are for people."""
