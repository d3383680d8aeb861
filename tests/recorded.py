"""A recorded chat stream in the ways people keep one."""

from __future__ import annotations

import base64
import json

URL = "https://api.openai.com/v1/chat/completions"
REQUEST = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
BODY = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-2024-08-06",'
    b'"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
    b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"object":"chat.completion.chunk","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)


def har(*entries):
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def entry(body=BODY, *, url=URL, method="POST", encoded=False, **response):
    text = base64.b64encode(body).decode() if encoded else body.decode()
    content = {"text": text, "mimeType": "text/event-stream", **({"encoding": "base64"} if encoded else {})}
    headers = [
        {"name": "Content-Type", "value": "text/event-stream"},
        {"name": "Content-Encoding", "value": "gzip"},
    ]
    post = {"mimeType": "application/json", "text": json.dumps(REQUEST)}
    request = {"method": method, "url": url, "headers": [{"name": "X-Agent", "value": "a"}], "postData": post}
    return {
        "request": request,
        "response": {"status": 200, "headers": headers, "content": content, **response},
    }
