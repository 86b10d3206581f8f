"""Turns that use no MCP server, while none is in the catalogue and while one is, in turns."""

from statistics import median

from bench.limits.asking import asking
from bench.limits.report import Report, Target
from bench.load import make_agent, run_load
from bench.mcp.adder import Adder
from bench.server import Server

CLIENTS = 16
TOKENS = 20
WARM_UP_S = 5.0
LEAST_SHARE = 0.98


async def measure(server: Server, adder: Adder, rounds: int, seconds: float) -> list[Report]:
    """Measure blocks of turns, the two kinds in turns, so that neither has the better hour.

    Args:
        server: The server under measurement.
        adder: The MCP server.
        rounds: How many blocks of each kind.
        seconds: How long each takes.
    """
    agent_id = await make_agent(server.address, TOKENS)
    await run_load(server.address, agent_id, CLIENTS, WARM_UP_S)

    async def block(*, is_known: bool) -> float:
        """Return the turns a second while the server is in the catalogue, or is not."""
        async with asking(server.address) as client:
            server_id = ""
            if is_known:
                added = {"name": "unused", "url": adder.url}
                server_id = (await client.post("/v1/mcp-servers", added))["id"]
            measured = await run_load(server.address, agent_id, CLIENTS, seconds)
            if is_known:
                async with client.http.delete(f"/v1/mcp-servers/{server_id}") as answer:
                    answer.raise_for_status()
        return measured.turns_per_s

    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        # Each kind comes first as often as second.
        first_known = number % 2 == 1
        first, second = await block(is_known=first_known), await block(is_known=not first_known)
        pairs.append((second, first) if first_known else (first, second))
    shares = [with_one / without for without, with_one in pairs]
    rows = [
        (f"{number + 1}", f"{without:.1f}", f"{with_one:.1f}", f"{with_one / without:.3f}")
        for number, (without, with_one) in enumerate(pairs)
    ]
    rows.append(("median", *(f"{median(each):.1f}" for each in zip(*pairs, strict=True)), ""))
    target = Target(
        "turns/s of an agent without MCP, with a server in the catalogue by without one",
        median(shares),
        LEAST_SHARE,
        at_least=True,
    )
    title = f"Turns/s without MCP, {CLIENTS} clients, blocks of {seconds:g} s"
    return [Report(title, ("Round", "No server", "One in the catalogue", "Ratio"), rows, [target])]
