"""The turn by hand: FastAPI, the vendor's client, a dict. Nothing is stored."""

import json
import os
import uuid
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

app = FastAPI()
client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none")
conversations: dict[str, list[dict[str, Any]]] = {}


class Question(BaseModel):
    """A message to an agent.

    Attributes:
        content: Its text.
        model: The model that answers.
    """

    content: str
    model: str


@app.post("/sessions", status_code=201)
async def create_session() -> dict[str, str]:
    """Begin a conversation."""
    identity = uuid.uuid4().hex
    conversations[identity] = [{"role": "system", "content": os.environ["SYSTEM_PROMPT"]}]
    return {"id": identity}


@app.post("/sessions/{session_id}/messages")
async def send(session_id: str, question: Question) -> StreamingResponse:
    """Answer a message as Server-Sent Events."""
    messages = conversations[session_id]
    messages.append({"role": "user", "content": question.content})
    return StreamingResponse(_turn(messages, question.model), media_type="text/event-stream")


async def _turn(messages: list[dict[str, Any]], model: str) -> AsyncGenerator[str, None]:
    yield _frame({"type": "started"})
    text = ""
    stream: Any = await client.chat.completions.create(model=model, messages=messages, stream=True)
    async for chunk in stream:
        if chunk.choices and (delta := chunk.choices[0].delta.content):
            text += delta
            yield _frame({"type": "delta", "delta": delta})
    messages.append({"role": "assistant", "content": text})
    yield _frame({"type": "completed"})


def _frame(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event)}\n\n"
