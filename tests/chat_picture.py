"""The picture of a chat in the documentation: ``python -m tests.chat_picture FILE``.

It is what the terminal's screen showed of a real conversation, with a model that follows a script.
"""

import re
import sys
from io import StringIO
from pathlib import Path

import httpx
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.servers import small_server
from tests.terminal import Terminal, running_in_terminal

COLUMNS, ROWS = 84, 29
SCRIPT = [
    {
        "reasoning": "First I look at what is there.",
        "tool_calls": [{"name": "list_directory", "arguments": {"path": "/"}}],
    },
    {"tool_calls": [{"name": "delete_file", "arguments": {"path": "/old-plan.md"}}]},
    {
        "text": "I have deleted **old-plan.md**. What is left:\n\n"
        "- `plan.md`, the plan that holds\n- `notes.md`, from the last meeting\n"
    },
]
FILES = ["/plan.md", "/notes.md", "/old-plan.md"]


def main(target: Path) -> None:
    """Have the conversation and write its picture."""
    with small_server() as server, httpx.Client(base_url=server.address, timeout=30) as client:
        settings = {"script": SCRIPT, "tokens_per_s": 20}
        provider = {"name": "scripted", "provider_type": "simulated", "settings": settings}
        client.post("/v1/llm-providers", json=provider).raise_for_status()
        agent = {
            "name": "clerk",
            "system_prompt": "You keep files in order.",
            "default_model_id": "scripted/simulated-1",
            "capabilities": ["session_file_system", "tool_approval"],
            "initial_files": [{"path": path, "content": "…"} for path in FILES],
        }
        client.post("/v1/agents", json=agent).raise_for_status()
        with running_in_terminal(
            "chat", columns=COLUMNS, rows=ROWS, EVERRUNS_DATA_DIR=server.data_dir
        ) as terminal:
            terminal.wait_for("^>$")
            terminal.enter("Clean up, please.")
            terminal.wait_for(r"\[y/n\]")
            terminal.enter("y")
            terminal.wait_for("tokens in")
            terminal.type("And the notes?")
            terminal.wait_for(r"^> And the notes\?$")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_picture(terminal))


def _picture(terminal: Terminal) -> str:
    console = Console(record=True, width=COLUMNS, file=StringIO())
    for row in terminal.rows():
        console.print(
            Text.assemble(*((each.data, _style(each.fg, bold=each.bold)) for each in row)),
            soft_wrap=True,
        )
    drawn = console.export_svg(title="everruns chat")
    # The fonts would be fetched from elsewhere; those of the system do.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def _style(colour: str, *, bold: bool) -> Style:
    names = {"brown": "yellow", "default": None}
    return Style(color=names.get(colour, colour), bold=bold)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
