"""Turn what curl saved of one exchange into a recording: see docs/adding-a-format.md.

    python tests/add_recording.py acme.chat --url https://api.acme.com/v1/chat \\
        --request request.json --head head.txt --body body.bin

Writes tests/recordings/streams/<id>.json and its line in the index. What the stream comes to is left for you
to fill in, read off the wire: a result made by the parser would only prove that it agrees with itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"

_FRAMINGS = {
    "text/event-stream": "sse",
    "application/x-ndjson": "ndjson",
    "application/vnd.amazon.eventstream": "aws_eventstream",
    "application/json": "json_array",
}
_KEPT_HEADERS = ("content-type", "content-encoding", "x-amzn-errortype")
_TO_BE_FILLED_IN: dict[str, Any] = {
    "text": "",
    "reasoning_text": "",
    "tool_calls": [],
    "response_id": None,
    "response_model": None,
    "finish_reasons": [],
    "usage": None,
    "error": None,
    "outcome": "completed",
}


def main(arguments: list[str] | None = None, folder: Path = RECORDINGS) -> str:
    """Write the recording and return its id."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("api", help="vendor.api, as in the index")
    parser.add_argument("--url", required=True)
    parser.add_argument("--method", default="POST")
    parser.add_argument("--request", type=Path, help="the JSON that was sent")
    parser.add_argument("--head", type=Path, required=True, help="what curl -D wrote")
    parser.add_argument("--body", type=Path, required=True, help="what curl -o wrote")
    options = parser.parse_args(arguments)

    index = json.loads((folder / "index.json").read_text("utf-8"))
    recording = _recording(options, _next_id(options.api, index))
    _write(folder / "streams" / f"{recording['id']}.json", recording)
    _enter(index, recording)
    _write(folder / "index.json", index)
    print(f"{recording['id']}: now fill in `expected`, by hand")
    return recording["id"]


def _next_id(api: str, index: dict[str, Any]) -> str:
    return f"{api.replace('.', '-')}-{index['streams_by_api'].get(api, 0) + 1:03}"


def _recording(options: argparse.Namespace, id: str) -> dict[str, Any]:
    body, head = options.body.read_bytes(), options.head.read_text("latin-1")
    headers = {name.lower(): value.strip() for name, value in re.findall(r"(?m)^([\w-]+):(.*)$", head)}
    kind = headers.get("content-type", "").partition(";")[0].strip()
    return {
        "id": id,
        "fidelity": "recorded",
        "provider": options.api.partition(".")[0],
        "api": options.api,
        "framing": _FRAMINGS.get(kind, "sse"),
        "traits": [],
        "request": {
            "method": options.method,
            "url": options.url,
            "headers": {"content-type": "application/json"},  # keys and accounts stay at home
            "json": None if options.request is None else json.loads(options.request.read_text("utf-8")),
        },
        "response": {
            "status": int(re.findall(r"(?m)^HTTP/\S+ (\d+)", head)[-1]),
            "headers": {name: headers[name] for name in _KEPT_HEADERS if name in headers},
            "body_base64": base64.b64encode(body).decode(),
            "body_len": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
        },
        "expected": dict(_TO_BE_FILLED_IN),
    }


def _enter(index: dict[str, Any], recording: dict[str, Any]) -> None:
    row = {name: recording[name] for name in ("id", "provider", "api", "framing", "fidelity", "traits")}
    index["streams"].append({**row, "file": f"streams/{recording['id']}.json"})
    index["streams"].sort(key=lambda row: row["id"])
    index["n_streams"] += 1
    index["streams_by_api"][recording["api"]] = index["streams_by_api"].get(recording["api"], 0) + 1


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
