"""A capability that adds nothing, to test enabling capabilities."""

from everruns.capabilities.base import Capability

NOOP = Capability(
    id="noop",
    name="No-Op",
    description="Adds no prompt and no tools. For tests.",
    icon="circle-off",
    category="Testing",
)
