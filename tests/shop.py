"""A shop with a payment service: it pays once for each idempotency key, as real ones do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer


class Shop:
    """One order, and what was paid back.

    Attributes:
        customer: Whose order it is.
        paid: What was paid back, by idempotency key.
        asked: The keys of all requests, in order.
        paying: Set when a payment was made.
        answers: Set once payments are answered; until then they are made in silence.
    """

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.paid: dict[str, int] = {}
        self.asked: list[str] = []
        self.paying = asyncio.Event()
        self.answers = asyncio.Event()
        self.url = ""

    async def order(self, request: web.Request) -> web.Response:
        if request.match_info["order"] != "order-1":
            return web.json_response({}, status=404)
        return web.json_response({"customer": self.customer, "price": 42})

    async def refund(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        self.asked.append(key)
        self.paid.setdefault(key, 42)
        self.paying.set()
        await self.answers.wait()
        return web.json_response({"paid_back": self.paid[key]})


@asynccontextmanager
async def open_shop(customer: str) -> AsyncIterator[Shop]:
    """Run a shop on this machine."""
    shop = Shop(customer)
    application = web.Application()
    application.router.add_get("/orders/{order}", shop.order)
    application.router.add_post("/refunds", shop.refund)
    async with TestServer(application) as server:
        shop.url = str(server.make_url(""))
        try:
            yield shop
        finally:
            shop.answers.set()
