"""Conversations with the whole server: HTTP, Serve, session actors, DuckDB, models."""

import httpx
import pytest

from tests.aimock import AimockServer
from tests.e2e.conversation import post, read_turn, rebuilt, say, start_session, types

LOCAL_MODEL_PATIENCE_S = 120


def test_the_local_model_answers_in_words_streamed_as_they_come(client: httpx.Client) -> None:
    client.timeout = httpx.Timeout(LOCAL_MODEL_PATIENCE_S)
    session_id = start_session(client, default_model_id="local/smollm2-135m-instruct")

    events = say(client, session_id, "What is the capital of France?")

    assert events[-1]["type"] == "session.completed", events[-1]
    answer = next(
        event["data"]
        for event in events
        if event["type"] == "message.created" and event["data"]["message"]["role"] == "agent"
    )
    text = answer["message"]["content"][0]["text"]
    assert text.strip()
    assert rebuilt(events, answer["message"]["id"]) == text
    assert answer["usage"]["output_tokens"] > 0
    assert sum(event["type"] == "message.delta" for event in events) > 1


@pytest.mark.parametrize("provider_type", ["openai", "anthropic"])
def test_a_vendors_wire_carries_a_turn_with_tool_calls(
    client: httpx.Client, model_server: AimockServer, provider_type: str
) -> None:
    model_server.reset()
    model_server.add(
        {"match": {"hasToolResult": True}, "response": {"content": "19 and 23 make 42."}},
        {
            "match": {"userMessage": "19"},
            "response": {
                "toolCalls": [
                    {"name": "add", "arguments": '{"a": 19, "b": 23}'},
                    {"name": "multiply", "arguments": '{"a": 2, "b": 21}'},
                ]
            },
        },
    )
    base_url = {"openai": model_server.openai_url, "anthropic": model_server.anthropic_url}
    provider = post(
        client,
        "/v1/llm-providers",
        {
            "name": f"fake-{provider_type}",
            "provider_type": provider_type,
            "base_url": base_url[provider_type],
            "api_key": "sk-secret-of-the-test",
            "models": [{"model_id": "a-model"}],
        },
    )
    session_id = start_session(
        client, default_model_id=provider["models"][0]["id"], capabilities=["test_math"]
    )

    events = say(client, session_id, "What is 19 + 23?")

    assert types(events) == [
        "message.created",
        "session.started",
        "message.created",
        "tool.call",
        "tool.call",
        "tool.result",
        "tool.result",
        "message.created",
        "session.completed",
    ]
    results = [event["data"]["result"] for event in events if event["type"] == "tool.result"]
    assert sorted(result["result"] for result in results) == [42, 42]
    assert len(model_server.calls()) == 2
    assert "sk-secret-of-the-test" not in client.get("/v1/llm-providers").text


def test_a_provider_that_fails_ends_the_turn_and_leaves_the_session_usable(
    client: httpx.Client, model_server: AimockServer
) -> None:
    model_server.reset()
    provider = post(
        client,
        "/v1/llm-providers",
        {
            "name": "refusing",
            "provider_type": "openai",
            "base_url": model_server.openai_url,
            "api_key": "sk-wrong",
            "models": [{"model_id": "a-model"}],
        },
    )
    session_id = start_session(client, default_model_id=provider["models"][0]["id"])
    model_server.fail_next(401)

    failed = say(client, session_id, "Hello")
    model_server.add({"match": {}, "response": {"content": "Hello again."}})
    completed = say(client, session_id, "Once more")

    assert failed[-1]["data"]["error"]["code"] == "PROVIDER_UNAUTHORIZED"
    assert completed[-1]["type"] == "session.completed"


def test_a_stream_resumes_after_the_last_event_that_was_read(client: httpx.Client) -> None:
    session_id = start_session(client, default_model_id="simulated/simulated-1")
    events = say(client, session_id, "Hello")
    cursor = events[1]["id"]

    with client.stream(
        "GET", f"/v1/sessions/{session_id}/events", headers={"Last-Event-ID": cursor}
    ) as stream:
        first = next(line for line in stream.iter_lines() if line.startswith("id: "))

    durable = [event for event in events if not event["type"].endswith(".delta")]
    assert first == f"id: {durable[2]['id']}"


def test_a_turn_goes_on_when_its_reader_goes_away(client: httpx.Client) -> None:
    provider = post(
        client,
        "/v1/llm-providers",
        {
            "name": "paced",
            "provider_type": "simulated",
            "settings": {"tokens": 40, "tokens_per_s": 40},
        },
    )
    session_id = start_session(client, default_model_id=provider["models"][0]["id"])
    post(client, f"/v1/sessions/{session_id}/messages", {"content": "Talk."})

    with client.stream("GET", f"/v1/sessions/{session_id}/events") as stream:
        next(line for line in stream.iter_lines() if line.startswith("event: message.delta"))

    assert types(read_turn(client, session_id))[-1] == "session.completed"


def test_a_deleted_session_is_gone(client: httpx.Client) -> None:
    session_id = start_session(client, default_model_id="simulated/simulated-1")
    say(client, session_id, "Hello")

    assert client.delete(f"/v1/sessions/{session_id}").status_code == 204

    assert client.get(f"/v1/sessions/{session_id}").status_code == 404
    assert client.get(f"/v1/sessions/{session_id}/messages").status_code == 404
