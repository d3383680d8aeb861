"""A synchronous SDK in a synchronous endpoint: FastAPI runs both in threads."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import openai
from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse, StreamingResponse

app = FastAPI()
client = openai.OpenAI(base_url=f"{os.environ['PROVIDER']}/v1", api_key="k", max_retries=0)


@app.get("/health")
def health():
    return {}


@app.post("/v1/chat/completions")
def chat(asked: Annotated[dict[str, Any], Body()]):
    try:
        chunks = client.chat.completions.create(**asked, stream_options={"include_usage": True})
    except openai.APIStatusError as error:
        return JSONResponse({"error": error.body}, error.status_code)
    return StreamingResponse(events(chunks), media_type="text/event-stream")


def events(chunks):
    try:
        with chunks:
            for chunk in chunks:
                if chunk.choices:
                    yield f"data: {chunk.model_dump_json()}\n\n"
    except Exception as error:
        yield f"data: {json.dumps({'error': {'message': str(error)}})}\n\n"
    yield "data: [DONE]\n\n"
