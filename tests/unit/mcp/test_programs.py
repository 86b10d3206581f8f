"""Servers that are programs: started with few variables, and ended with all they started."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.failures import CannotConnect, McpFailure, OutcomeUnknown
from tests.waiting import eventually

PROGRAM = """
import json, os, subprocess, sys, time
print("Welcome!", flush=True)
print("key", os.environ.get("API_KEY"), file=sys.stderr, flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if sys.argv[1:]:
    open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")

def answer(asked):
    match asked["method"]:
        case "initialize":
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "program", "version": "1"}}
        case "tools/list":
            return {"tools": [{"name": "act", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            arguments = asked["params"]["arguments"]
            if "exit" in arguments:
                os._exit(3)
            if "blank" in arguments:
                while True:
                    sys.stdout.write("\\n" * 100_000)
            if "say" in arguments:
                print(arguments["say"], end="", file=sys.stderr, flush=True)
            if "large" in arguments:
                return {"content": [{"type": "text", "text": "x" * 8_000_000}]}
            return {"content": [{"type": "text", "text": ",".join(sorted(os.environ))}]}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = answer(asked)
    said = {"result": result} if result else {"error": {"code": -32601, "message": "no"}}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}), flush=True)
while len(sys.argv) > 2:
    time.sleep(1)
"""


@pytest.fixture
def program(tmp_path: Path) -> McpAccount:
    script = tmp_path / "server.py"
    script.write_text(PROGRAM)
    return account(sys.executable, str(script), str(tmp_path / "pids"))


def account(*command: str, **fields: Any) -> McpAccount:
    shape = {"name": "tool", "type": "stdio", "command": list(command), **fields}
    return McpAccount.model_validate(shape)


async def test_a_program_is_called_and_ends_with_its_children(turns, program, tmp_path):
    await turns.call(account(*program.command, "stubborn"))
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    await turns.connections.close()
    await eventually(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_a_program_gets_no_variables_but_a_few_and_its_own(turns, program, monkeypatch):
    monkeypatch.setenv("OUR_SECRET", "1")
    told = await turns.call(program.model_copy(update={"environment": {}}))
    assert "PATH" in told
    assert "OUR_SECRET" not in told


async def test_what_a_program_prints_to_its_errors_is_logged_without_secrets(turns, program):
    given = account(*program.command, environment={"API_KEY": "hunter2hunter2"})
    with capture_logs() as logs:
        assert "API_KEY" in await turns.call(given)
        await eventually(lambda: any("says" in entry for entry in logs))
    assert next(entry["says"] for entry in logs if "says" in entry) == "key ***"


async def test_a_secret_that_is_printed_in_two_pieces_is_not_logged(turns, program):
    given = account(*program.command, environment={"API_KEY": "hunter2hunter2"})
    with capture_logs() as logs:
        await turns.call(given, say="again hunter2")
        await turns.call(given, say="hunter2\n")
        await eventually(lambda: any("again" in line for line in said(logs)))
    assert said(logs) == ["key ***", "again ***"]


async def test_no_line_of_a_secret_of_several_lines_is_logged(turns, program):
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----"
    given = account(*program.command, environment={"API_KEY": key})
    with capture_logs() as logs:
        await turns.call(given, say="line 2 MIIEowIBAAKCAQEA\n")
        await eventually(lambda: any("line 2" in line for line in said(logs)))
    assert said(logs)[-1] == "line 2 ***"
    assert not any("MIIE" in line or "BEGIN" in line for line in said(logs))


async def test_a_line_without_end_is_not_kept(turns, program):
    with capture_logs() as logs:
        await turns.call(program, say=f"{'x' * 1_000_000}\nnext\n")
        await eventually(lambda: "next" in said(logs))
    assert said(logs) == ["key None", "[a line of more than 64 KiB]", "next"]


async def test_what_a_program_prints_beyond_the_bound_is_read_and_not_logged(turns, program):
    with capture_logs() as logs:
        await turns.call(program, say="line\n" * 150 + "\n" * 100_000 + "late\n")
        assert "PATH" in await turns.call(program, say="later\n")
        await eventually(lambda: said(logs).count("line") == 150)
    assert not {"late", "later"} & set(said(logs))


def said(logs: list[Any]) -> list[str]:
    return [entry["says"] for entry in logs if "says" in entry]


async def test_a_program_that_exits_in_a_call_is_started_again_for_the_next(turns, program):
    with pytest.raises(OutcomeUnknown, match="closed before it answered"):
        await turns.call(program, exit=True)
    assert "PATH" in await turns.call(program)


async def test_a_message_of_8_mb_ends_the_program_and_not_the_next_call(turns, program):
    with pytest.raises(OutcomeUnknown):
        await turns.call(program, large=True)
    assert "PATH" in await turns.call(program)


async def test_a_program_that_prints_blank_lines_without_end_ends_and_blocks_nobody(turns, program):
    with pytest.raises(OutcomeUnknown, match="closed before it answered"):
        await asyncio.wait_for(turns.call(program, blank=True), 20)
    assert "PATH" in await turns.call(program)


async def test_a_program_that_is_not_there_is_named(turns):
    with pytest.raises(CannotConnect, match=r"tool cannot be used.*No such file"):
        await turns.prepare(account("/nowhere/server"))


async def test_a_program_that_is_no_server_costs_its_own_call(turns):
    with pytest.raises(McpFailure, match="tool cannot be used"):
        await turns.prepare(account("/bin/true"))
