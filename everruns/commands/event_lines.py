"""Events as lines that people read; pure."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from everruns.commands.figures import count, money, span
from everruns.commands.output import harmless

LONGEST_SUMMARY = 160
LONGEST_VALUE = 40

Data = Mapping[str, Any]


def line_of(event: Data) -> str:
    """Return one line about an event: its time, its sequence, its type and what it says."""
    moment = datetime.fromisoformat(event["ts"]).astimezone()
    time = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
    sequence = event.get("sequence")
    number = "" if sequence is None else str(sequence)
    text = f"{time} {number:>6}  {event['type']:<22} {summary(event['type'], event['data'])}"
    return harmless(text).rstrip()


def summary(event_type: str, data: Data) -> str:
    """Return what an event says, shortened."""
    told = _SUMMARIES.get(event_type, _fields)(data)
    return told if len(told) <= LONGEST_SUMMARY else f"{told[: LONGEST_SUMMARY - 1]}…"


def _message(data: Data) -> str:
    message = data["message"]
    parts = [_part(part) for part in message["content"]]
    told = f"{message['role']}: {' '.join(part for part in parts if part)}"
    usage = data.get("usage")
    return f"{told} ({_usage(usage)})" if usage else told


def _part(part: Data) -> str:
    match part["type"]:
        case "text":
            return _short(part["text"], LONGEST_SUMMARY // 2)
        case "tool_call":
            return f"→ {_call(part)}"
        case "file":
            return f"[file {part['filename']}]"
        case "output":
            return f"[output {_value(part.get('value', part.get('error')))}]"
        case other:
            return f"[{other}]"


def _call(call: Data) -> str:
    arguments: Data = call["arguments"]
    given = ", ".join(f"{name}={_value(value)}" for name, value in arguments.items())
    return f"{call['name']}({given})"


def _called(data: Data) -> str:
    by_client = " by the client" if data.get("client_side") else ""
    return f"{_call(data['tool_call'])}{by_client}"


def _result(data: Data) -> str:
    took = span(data["duration_ms"] / 1000) if data.get("duration_ms") is not None else ""
    if data["success"]:
        said = data["result"] if "result" in data else data.get("parts")
        return f"{data['name']} ok {took}: {_value(said, LONGEST_SUMMARY)}"
    return f"{data['name']} failed {took}: {_value(data.get('error'), LONGEST_SUMMARY)}"


def _approval(data: Data) -> str:
    if data["status"] == "requested":
        return f"waits for approval of {_call(data['tool_call'])}"
    reason = f": {data['reason']}" if data.get("reason") else ""
    return f"{data['status']} {data['tool_call_id']}{reason}"


def _progress(data: Data) -> str:
    return f"{data['tool_name']}: {data['message']}"


def _reminder(data: Data) -> str:
    return f"{data['name']} has waited for {data['type']} since {data['since']}"


def _delta(data: Data) -> str:
    return _short(data["delta"], LONGEST_SUMMARY)


def _started(data: Data) -> str:
    again = f", again after {data['retry_of']}" if data.get("retry_of") else ""
    return f"{data['turn_id']}{again}"


def _completed(data: Data) -> str:
    calls = data["iterations"]
    took = span(data["duration_ms"] / 1000)
    return f"{calls} model call{'' if calls == 1 else 's'} in {took}, {_usage(data['usage'])}"


def _failed(data: Data) -> str:
    return f"{data['error']['code']}: {data['error']['message']}"


def _compacted(data: Data) -> str:
    told = f"{count(data.get('tokens_before'))} → {count(data.get('tokens_after'))} tokens"
    return f"{told} ({data.get('reason')})"


def _usage(usage: Data) -> str:
    told = f"{count(usage['input_tokens'])} → {count(usage['output_tokens'])} tokens"
    cost = usage.get("estimated_cost_usd")
    return f"{told}, {money(cost)}" if cost else told


def _fields(data: Data) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in data.items())


def _value(value: Any, longest: int = LONGEST_VALUE) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _short(text, longest)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _cancelled(data: Data) -> str:
    return str(data["reason"])


_SUMMARIES: Mapping[str, Callable[[Data], str]] = {
    "message.created": _message,
    "message.delta": _delta,
    "reasoning.delta": _delta,
    "tool.call": _called,
    "tool.result": _result,
    "tool.approval": _approval,
    "tool.progress": _progress,
    "wait.reminder": _reminder,
    "session.started": _started,
    "session.completed": _completed,
    "session.failed": _failed,
    "session.cancelled": _cancelled,
    "context.compacted": _compacted,
}
