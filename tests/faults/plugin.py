"""A package with a capability for the server under test, found by its entry point.

Its tools report to the test's own server and wait there while the test holds them.
"""

import os
from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: fault-tools\nVersion: 1.0\n"
ENTRY_POINTS = "[everruns.capabilities]\nfault_tools = fault_tools:FAULT_TOOLS\n"
CAPABILITY = "fault_tools"
MODULE = '''
import os
import signal
from typing import Any

import httpx

from everruns.capabilities.base import Capability
from everruns.tools.function import tool

HELD_AT_MOST_S = 120.0


async def report(name: str, reference: str) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=HELD_AT_MOST_S) as client:
        told = {"reference": reference, "pid": os.getpid()}
        answer = await client.post(f"{os.environ['FAULT_TOOLS_URL']}/{name}", json=told)
        answer.raise_for_status()
        return answer.json()


@tool(repeatable=True)
async def look(reference: str) -> dict[str, Any]:
    """Look; looking twice does no harm."""
    return await report("look", reference)


@tool()
async def pay(reference: str) -> dict[str, Any]:
    """Pay; paying twice does harm."""
    return await report("pay", reference)


@tool(repeatable=True)
async def crash(reference: str) -> dict[str, Any]:
    """End the process that runs this."""
    await report("crash", reference)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


FAULT_TOOLS = Capability(
    id="fault_tools",
    name="Fault tools",
    description="Tools that report what they do.",
    tools=[look, pay, crash],
)
'''


def write_package(folder: Path, tools_url: str) -> dict[str, str]:
    """Write the package; return the environment in which a server finds it.

    Args:
        folder: Where to write it.
        tools_url: Where its tools report.
    """
    information = folder / "fault_tools-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "fault_tools.py").write_text(MODULE)
    root = str(Path(__file__).parents[2])
    paths = [str(folder), root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "FAULT_TOOLS_URL": tools_url}
