"""A graph of one node for LangGraph's server; the file is named for its model."""

import os
from pathlib import Path

from langchain_core.messages import SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

model = ChatOpenAI(
    model=Path(__file__).stem.replace("_", "-"),
    base_url=os.environ["OPENAI_BASE_URL"],
    api_key="none",
    streaming=True,
    use_responses_api=False,
)


async def answer(state: MessagesState) -> dict:
    """Ask the model with the whole conversation."""
    prompt = SystemMessage(os.environ["SYSTEM_PROMPT"])
    return {"messages": [await model.ainvoke([prompt, *state["messages"]])]}


graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()
