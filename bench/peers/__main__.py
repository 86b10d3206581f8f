"""``make bench-peers``."""
import argparse
import asyncio
import uvloop
from rich.console import Console
from bench.peers.measuring import run_turns, run_streams, speaking_to
from bench.peers.running import PEERS, running_model, running_peer

out = Console()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", default=[p.name for p in PEERS])
    parser.add_argument("--seconds", type=float, default=5)
    o = parser.parse_args()
    models = ["tokens-20", "tokens-300-rate-40"]
    with running_model() as model_url:
        for peer in PEERS:
            if peer.name not in o.only: continue
            with running_peer(peer, model_url, models) as server:
                out.print(peer.name, f"{server.ready_s:.1f}")
                uvloop.run(go(peer, server, model_url, models, o.seconds))
                out.print(sum(m for _, m in server.memory()))

async def go(peer, server, model_url, models, seconds):
    first = True
    for name, wire in peer.wires.items():
        async with speaking_to(server.address, wire) as w:
            if first: await w.prepare(model_url, models)
            first = False
            await run_turns(w, models[0], 8, 3, server.cpu_s)
            for clients in (1, 16, 64):
                out.print(name, clients, await run_turns(w, models[0], clients, seconds, server.cpu_s))
            out.print(name, await run_streams(w, models[1], 200, server.cpu_s))
main()
