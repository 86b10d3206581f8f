"""The events of a stream of the Responses API."""

MODEL = "gpt-6.1-terra"
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
CREATED = {"type": "response.created", "response": {"status": "in_progress", "model": "gpt-x"}}


def added(index, **item):
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index, **item):
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def text(delta, index=0, **fields):
    return {
        "type": "response.output_text.delta",
        "output_index": index,
        "delta": delta,
        **fields,
    }


def summary(delta, index=0, part=0):
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": index,
        "summary_index": part,
        "delta": delta,
    }


def arguments(delta, index=0, **fields):
    return {
        "type": "response.function_call_arguments.delta",
        "output_index": index,
        "delta": delta,
        **fields,
    }


def message(*texts, **fields):
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "role": "assistant", "content": content, **fields}


def call(call_id, arguments="", name="weather", **fields):
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        **fields,
    }


def completed(*output, **response):
    return {
        "type": "response.completed",
        "response": {"status": "completed", "output": list(output), **response},
    }


def incomplete(reason):
    response = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return {"type": "response.incomplete", "response": response}


def without(event, *names):
    return {name: value for name, value in event.items() if name not in names}


TWO_CALLS = [
    added(0, **call("call_1", id="fc_1")),
    arguments('{"city":"Paris"}', 0, item_id="fc_1"),
    done(0, **call("call_1", '{"city":"Paris"}', id="fc_1")),
    added(1, **call("call_2", id="fc_2")),
    arguments('{"city":"Rome"}', 1, item_id="fc_2"),
    done(1, **call("call_2", '{"city":"Rome"}', id="fc_2")),
    completed(
        call("call_1", '{"city":"Paris"}', id="fc_1"),
        call("call_2", '{"city":"Rome"}', id="fc_2"),
    ),
]
