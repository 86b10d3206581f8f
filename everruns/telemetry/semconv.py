"""The names of spans and of their attributes, all in one place.

Those of OpenTelemetry are of semantic conventions 1.41.0, the last version that holds the ones of
``gen_ai``; where these have been renamed since, spans have both names.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ and
https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Mapping

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"

# Of every span
SESSION_ID = "session.id"
CONVERSATION_ID = "gen_ai.conversation.id"
OPERATION = "gen_ai.operation.name"
ERROR_TYPE = "error.type"
TURN_ID = "everruns.turn.id"

# Of turns
INVOKE_AGENT = "invoke_agent"
AGENT_ID = "gen_ai.agent.id"
AGENT_NAME = "gen_ai.agent.name"
USER_ID = "user.id"
OUTCOME = "everruns.turn.outcome"
ITERATIONS = "everruns.turn.iterations"
WAITED_MS = "everruns.turn.waited_ms"
RETRY_OF = "everruns.turn.retry_of"
TOOL_CALLS = "everruns.turn.tool_calls"

# Of model calls
CHAT = "chat"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
MESSAGE_ID = "everruns.message.id"
MODEL = "everruns.model"
ATTEMPTS = "everruns.model_call.attempts"
WRITES_SUMMARY = "everruns.model_call.writes_summary"
IS_ESTIMATED = "everruns.model_call.times_are_estimated"

# Of turns and model calls
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
COST_USD = "everruns.usage.cost_usd"

# Of tool calls
EXECUTE_TOOL = "execute_tool"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_TYPE = "gen_ai.tool.type"
FUNCTION = "function"
IS_CLIENT_SIDE = "everruns.tool.client_side"
IS_RESUMED = "everruns.tool.resumed"

# Of waits
WAIT = "everruns.wait"
WAIT_KIND = "everruns.wait.kind"
WAIT_ENDED = "everruns.wait.ended"

# What was said, only where that is wanted
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

# Of the server
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"

TOOL_FAILED = "tool_error"
"""The ``error.type`` of a call whose tool has failed; codes of ours are for turns and models."""

PROVIDERS: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure_openai": "azure.ai.openai",
    "simulated": "everruns.simulated",
    "local": "everruns.local",
}
"""The values of ``gen_ai.provider.name`` by the types of our providers."""
