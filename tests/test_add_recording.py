from __future__ import annotations

import base64
import json

import add_recording


def test_what_curl_saved_becomes_a_recording(tmp_path):
    (tmp_path / "streams").mkdir()
    (tmp_path / "index.json").write_text(json.dumps({"n_streams": 0, "streams": [], "streams_by_api": {}}))
    saved = {
        "request": b'{"stream": true}',
        "head": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 200\r\n"
        b"Content-Type: text/event-stream; charset=utf-8\r\nset-cookie: x\r\n",
        "body": b"data: 1\n\n",
    }
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    files = [part for name in saved for part in (f"--{name}", str(tmp_path / name))]

    ids = [
        add_recording.main(["acme.chat", "--url", "https://acme/chat", *files], tmp_path) for _ in range(2)
    ]

    index = json.loads((tmp_path / "index.json").read_text())
    recording = json.loads((tmp_path / "streams" / "acme-chat-002.json").read_text())
    assert ids == ["acme-chat-001", "acme-chat-002"]
    assert (index["n_streams"], index["streams_by_api"]) == (2, {"acme.chat": 2})
    assert index["streams"][1]["file"] == "streams/acme-chat-002.json"
    assert recording["response"]["headers"] == {"content-type": "text/event-stream; charset=utf-8"}
    assert (recording["response"]["status"], recording["framing"]) == (200, "sse")
    assert base64.b64decode(recording["response"]["body_base64"]) == saved["body"]
    assert recording["request"]["json"] == {"stream": True}
    assert recording["expected"]["outcome"] == "completed"
