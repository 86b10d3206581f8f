"""Capabilities that are announced but not usable yet."""

from everruns.capabilities.base import Capability

RESEARCH = Capability(
    id="research",
    name="Deep Research",
    description="Lets the agent work through many sources and report what it found.",
    icon="search",
    category="AI",
    status="coming_soon",
)

SANDBOX = Capability(
    id="sandbox",
    name="Sandboxed Execution",
    description="Lets the agent run code in an isolated environment.",
    icon="box",
    category="Execution",
    status="coming_soon",
)
