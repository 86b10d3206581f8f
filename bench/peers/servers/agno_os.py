"""Agno's AgentOS with one agent for each model and its SQLite database."""

import os

from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.models.openai import OpenAIChat
from agno.os import AgentOS

TURNS_IN_A_SESSION = 10

database = SqliteDb(db_file="agno.db")
agents = [
    Agent(
        id=model,
        name=model,
        model=OpenAIChat(id=model, base_url=os.environ["OPENAI_BASE_URL"], api_key="none"),
        db=database,
        instructions=os.environ["SYSTEM_PROMPT"],
        # The whole conversation, as every other server here sends it.
        add_history_to_context=True,
        num_history_runs=TURNS_IN_A_SESSION,
        telemetry=False,
    )
    for model in os.environ["MODELS"].split(",")
]
app = AgentOS(agents=agents, telemetry=False).get_app()
