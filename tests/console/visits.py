"""A visit to the console: a browser context and its pages, and what went wrong in them."""

from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

PATIENCE_MS = 30_000
# Different on each machine unless they are said.
FIXED = {
    "locale": "en-GB",
    "timezone_id": "Europe/Berlin",
    "reduced_motion": "reduce",
    "viewport": {"width": 1280, "height": 800},
}
# A browser has these itself.
OWN_SCHEMES = ("blob:", "data:")
# What the browser notes when networks of the machine come or go, as they do beside tests.
OF_THE_MACHINE = ("net::ERR_NETWORK_CHANGED",)
# The browser itself tells pages that they are hidden, which a test cannot make it do.
HIDE = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Visit:
    """A browser context at one server.

    Attributes:
        url: The server's address.
        context: The context: storage of its own, and any number of pages.
        faults: What went wrong: errors in the console, requests to other places.
        requests: The method and address of every request, in order.
        expected: Parts of messages in the console that are no faults, such as a status.
    """

    def __init__(self, url: str, context: BrowserContext) -> None:
        self.url = url
        self.context = context
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.expected: list[str] = [*OF_THE_MACHINE]
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))
        context.on("request", self._see)

    @classmethod
    async def begin(cls, browser: Browser, url: str, **options: Any) -> Self:
        """Open a context."""
        return cls(url, await browser.new_context(base_url=url, **{**FIXED, **options}))

    async def end(self) -> None:
        """Close the context."""
        await self.context.close()

    async def open(self, path: str = "/") -> Page:
        """Open a page at an address of the console."""
        page = await self.context.new_page()
        await page.goto(path)
        return page

    def expect(self, *words: str) -> None:
        """Take messages of the console with these words for no faults."""
        self.expected += words

    def _is_own(self, address: str) -> bool:
        return address.startswith((f"{self.url}/", *OWN_SCHEMES))

    def _see(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")
        if not self._is_own(request.url):
            self.faults.append(f"a request to another place: {request.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        is_expected = any(words in message.text for words in self.expected)
        if message.type in ("error", "warning") and not is_expected:
            self.faults.append(f"{message.type}: {message.text} ({message.location['url']})")


async def hide(page: Page) -> None:
    """Let a page think that another tab is in front of it."""
    await page.evaluate(HIDE, "hidden")


async def show(page: Page) -> None:
    """Let a page think that it is in front again."""
    await page.evaluate(HIDE, "visible")
