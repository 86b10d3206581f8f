"""A conversation over the client that openapi-python-client makes of the document.

Run by ``test_generated_clients.py`` with the generator's Python; prints what it has seen.
"""

import json
import sys

from generated import Client
from generated.api.agent_documents import export_agent
from generated.api.agents import create_agent
from generated.api.conversations import export_messages, import_session
from generated.api.events import list_events, stream_events
from generated.api.messages import send_message
from generated.api.sdk_agent_documents import sdk_import_agent
from generated.api.sessions import create_session
from generated.models import (
    Agent,
    AgentInput,
    Error,
    EventList,
    Message,
    MessageCreatedEvent,
    SendMessage,
    Session,
    SessionInput,
    TextPart,
)
from generated.types import File


def need(answer, kind):
    """Return an answer of this kind; anything else is a fault."""
    if not isinstance(answer, kind):
        raise TypeError(f"{kind.__name__} was expected, not {answer!r}")
    return answer


client = Client(base_url=sys.argv[1])
agent = need(create_agent.sync(client=client, body=AgentInput(name="clerk")), Agent)
session = need(create_session.sync(client=client, body=SessionInput(agent_id=agent.id)), Session)
body = SendMessage(content="Hello")
need(send_message.sync(session.id, client=client, body=body), Message)

types, text = [], ""
request = stream_events._get_kwargs(session.id)
with client.get_httpx_client().stream(**request) as response:
    kind = None
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind not in {"connected", "disconnecting"}:
            event = json.loads(value)
            types.append(event["type"])
            text += event["data"]["delta"] if kind == "message.delta" else ""
            if kind == "session.completed":
                break

listed = need(list_events.sync(session.id, client=client), EventList)
texts = [
    part.text
    for event in listed.data
    if isinstance(event, MessageCreatedEvent)
    for part in event.data.message.content
    if isinstance(part, TextPart)
]

exported = need(export_agent.sync(agent.id, client=client), str)
document = File(payload=exported.encode())
imported = need(sdk_import_agent.sync(client=client, body=document), Agent)
if imported.id != agent.id:
    raise ValueError("an exported agent was imported as another one")
lines = need(export_messages.sync(session.id, client=client), str)
if [json.loads(line)["role"] for line in lines.splitlines()] != ["user", "agent"]:
    raise ValueError(f"the export is not the conversation: {lines}")
conversation = File(payload=lines.encode())
again = need(import_session.sync(client=client, body=conversation, agent_id=agent.id), Session)
if again.preview != "Hello":
    raise ValueError(f"an exported conversation was imported as another one: {again}")

refused = client.get_httpx_client().post("/v1/sessions", json={"agent": "clerk"})
error = Error.from_dict(refused.json()).error
print(json.dumps({"types": types, "text": text, "texts": texts, "code": error.code}))
