"""The columns of the archive: one wide row for each event, and one row for each session.

A column is null in the rows of all types of events that do not have it. Times are in UTC.
"""

EVENT_COLUMNS = {
    "session_id": "VARCHAR",
    "sequence": "BIGINT",
    "id": "VARCHAR",
    "type": "VARCHAR",
    "turn_id": "VARCHAR",
    "ts": "TIMESTAMP",
    # Of the session, whose agent and end user never change.
    "agent_id": "VARCHAR",
    "end_user": "VARCHAR",
    # Whether a fork has it from its source, where it is already counted.
    "is_copied": "BOOLEAN",
    # message.created; of session.completed the last message
    "message_id": "VARCHAR",
    "role": "VARCHAR",
    "text": "VARCHAR",
    # Whether text, arguments or error are shortened.
    "is_shortened": "BOOLEAN",
    # A model call, so that the sum over all events that are not copied is what was used:
    # message.created, context.compacted, and session.failed or session.cancelled with a call that
    # was interrupted.
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "finish_reason": "VARCHAR",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_creation_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
    "started_ms": "BIGINT",
    "first_token_ms": "BIGINT",
    "ended_ms": "BIGINT",
    "attempts": "BIGINT",
    # tool.call, tool.result and all else that is about a tool call
    "tool_call_id": "VARCHAR",
    "tool_name": "VARCHAR",
    "arguments": "VARCHAR",
    "success": "BOOLEAN",
    # tool.result, context.compacted and session.failed
    "error": "VARCHAR",
    "error_code": "VARCHAR",
    # tool.result, context.compacted and session.completed
    "duration_ms": "BIGINT",
    # session.completed
    "iterations": "BIGINT",
}
"""The columns of the table of events, each with its type in DuckDB.

The day of an event in UTC, ``day DATE``, is in the path of its file: read the files with
``hive_partitioning`` to have it as a column.
"""

SESSION_COLUMNS = {
    "id": "VARCHAR",
    "title": "VARCHAR",
    "agent_id": "VARCHAR",
    "agent_name": "VARCHAR",
    "end_user": "VARCHAR",
    "tags": "VARCHAR[]",
    "status": "VARCHAR",
    "created_at": "TIMESTAMP",
    "updated_at": "TIMESTAMP",
    "forked_from_session_id": "VARCHAR",
    "forked_from_sequence": "BIGINT",
    # How many events the archive has of its log.
    "events": "BIGINT",
}
"""The columns of the table of sessions, each with its type in DuckDB."""
