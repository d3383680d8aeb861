"""The process in a peer's environment: `python -m benchmarks.peers.worker NAME on|off`.

A line of JSON in is an order, a line of JSON out its result. The first line out tells the versions.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.peers import calls, costs, scenarios, switches

TOLD = ("openai", "opentelemetry-sdk", "httpx2", "httpx")


def main() -> None:
    name, mode, package = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a peer prints is not an answer
    logging.disable(logging.CRITICAL)
    state: dict[str, Any] = {"observed": None, "parsed_once": False}
    _answer(answers, _started(name, mode, package, state))
    for line in sys.stdin:
        _answer(answers, _obey(name, json.loads(line), state))


def _started(name: str, mode: str, package: str, state: dict[str, Any]) -> dict[str, Any]:
    try:
        if mode != "off":
            state["observed"] = switches.Observed(export=mode == "watch")
            switches.on(name, state["observed"])
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"versions": {name: _version(name) for name in (package, *TOLD) if _version(name)}}


def _obey(name: str, order: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    try:
        if "scenario" in order:
            return {"result": scenarios.run(name, order["scenario"], state["observed"])}
        if order["what"] in ("sync", "async") and not state["parsed_once"]:
            calls.parse_once()
            state["parsed_once"] = True
        return {"result": costs.measure(name, order["what"], order["chunks"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _answer(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


main()
