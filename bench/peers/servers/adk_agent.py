"""An agent of Google's ADK, whose folder is named for its model."""

import os
from pathlib import Path

from google.adk.agents import LlmAgent
from google.adk.integrations.openai import OpenAILlm

name = Path(__file__).parent.name

root_agent = LlmAgent(
    name=name,
    model=OpenAILlm(
        model=name.replace("_", "-"), base_url=os.environ["OPENAI_BASE_URL"], api_key="none"
    ),
    instruction=os.environ["SYSTEM_PROMPT"],
)
