"""The agent that shows a newcomer what agents do: tools, a question, an approval.

Its model follows a script, so it needs no key and costs nothing. The script starts over with each
message, in every session.
"""

from typing import Any

import structlog

from everruns.domain.agents import AgentInput
from everruns.domain.llm import ProviderInput
from everruns.ids import DEMONSTRATION_AGENT_ID
from everruns.registry.agents import Agents
from everruns.registry.providers import Providers
from everruns.storage.agents import AgentQuery

NAME = "demonstration"
MODEL = f"{NAME}/simulated-1"
NOTES = "/demonstration/notes.txt"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SCRIPT: list[dict[str, Any]] = [
    {
        "reasoning": "No model is thinking here: a script decides what comes next.",
        "text": "I am a demonstration: a script answers, not a model. I look up the weather and "
        "write a note. Both tools run at the same time.",
        "tool_calls": [
            {"name": "get_weather", "arguments": {"location": "Lisbon"}},
            {
                "name": "write_file",
                "arguments": {"path": NOTES, "content": "Lisbon: see the result of get_weather."},
            },
        ],
    },
    {
        "text": "Now a question. The turn waits for your answer, for up to a day, and survives "
        "restarts of the server in the meantime.",
        "tool_calls": [
            {
                "name": "ask_user",
                "arguments": {
                    "questions": [
                        {
                            "id": "next",
                            "question": "What would you like to see next?",
                            "options": [
                                {"label": "An approval", "recommended": True},
                                {"label": "Surprise me", "description": "It is an approval too."},
                            ],
                        }
                    ]
                },
            }
        ],
    },
    {
        "text": "To delete a file I need your approval. Allow or reject the call.",
        "tool_calls": [{"name": "delete_file", "arguments": {"path": NOTES}}],
    },
    {
        "text": "That was a whole turn:\n\n"
        "1. **Tools** ran side by side.\n"
        "2. **A question** waited for you.\n"
        "3. **An approval** held a call; its result says what you decided.\n\n"
        "Every step of it is an event in the session's log. Send another message to see it again, "
        "or create an agent with a model of your own."
    },
]


async def seed_demonstration(agents: Agents, providers: Providers) -> None:
    """Add the demonstration to an installation that has no agents, once.

    An agent that is deleted is archived, so its row shows that it existed before.

    Args:
        agents: The agents.
        providers: The providers; a default one must be there already.
    """
    existed = await agents.find(DEMONSTRATION_AGENT_ID) is not None
    if existed or (await agents.list(AgentQuery(limit=1))).total:
        return
    if all(provider.name != NAME for provider in await providers.list()):
        # A start that was interrupted here has added it already.
        provider = {
            "name": NAME,
            "provider_type": "simulated",
            "settings": {"script": SCRIPT, "first_token_ms": 200, "tokens_per_s": 40},
        }
        await providers.add(ProviderInput.model_validate(provider))
    if not await providers.offers(MODEL):
        log.warning("demonstration not added: a provider of its name has no simulated model")
        return
    agent = {
        "id": DEMONSTRATION_AGENT_ID,
        "name": NAME,
        "display_name": "Demonstration",
        "description": "Shows a tool call, a question and an approval. A script plays the model.",
        "system_prompt": "You show what agents can do.",
        "default_model_id": MODEL,
        "capabilities": ["test_weather", "session_file_system", "ask_user", "tool_approval"],
        "tags": [NAME],
    }
    await agents.create(AgentInput.model_validate(agent))
    log.info("demonstration added", agent_id=DEMONSTRATION_AGENT_ID)
