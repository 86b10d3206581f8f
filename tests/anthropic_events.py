"""The events of a stream of the Messages API."""


def start(**usage):
    return {"type": "message_start", "message": {"model": "claude-x", "usage": usage}}


def block(index, **content):
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index, **content):
    return {"type": "content_block_delta", "index": index, "delta": content}


def stop(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


END = {"type": "message_stop"}
PING = {"type": "ping"}


def answer(reason="end_turn", **content):
    """The whole stream of an answer that has one block."""
    return [start(), block(0, **content), stop(reason), END]
