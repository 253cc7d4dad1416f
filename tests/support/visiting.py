"""What a person does on the page, and what a browser must not have to complain about."""

from __future__ import annotations

import asyncio
import itertools
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from support.up import Up

CHROMIUM_OPTIONS: Any = {
    "executable_path": "/usr/bin/chromium",
    "headless": True,
    "args": [
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    ],
}
Visit = Callable[[str], Awaitable[BrowserContext]]
"""Opens a browser of its own."""
expect.set_options(timeout=15_000)
_numbers = itertools.count(1)
_RUN = f"{time.time_ns() % 10**9:x}"


class Manners:
    """What a page must never do: throw, break its own policy, or speak to another origin."""

    def __init__(self) -> None:
        self.offences: list[str] = []
        self.server_may_be_away = False
        """Then what the browser itself says of failed requests is no offence."""

    def watch(self, context: BrowserContext, url: str) -> None:
        """Note every offence in every page of a browser."""

        def heard(message: ConsoleMessage) -> None:
            # A 4xx or 5xx is an answer that the page deals with; the browser prints it too.
            expected = message.text.startswith("Failed to load resource: the server responded")
            away = self.server_may_be_away and message.text.startswith("Failed to load resource")
            if message.type in ("error", "warning") and not expected and not away:
                self.offences.append(f"console: {message.text}")

        def asked(request: Request) -> None:
            if not request.url.startswith((url, "data:", "blob:", "chrome")):
                self.offences.append(f"request to {request.url}")

        context.on("console", heard)
        context.on("request", asked)
        context.on("weberror", lambda error: self.offences.append(f"thrown: {error.error}"))


def unused(name: str) -> str:
    """A name that no location has."""
    return f"{name} {_RUN}-{next(_numbers)}"


async def fill(page: Page, name: str, category: str = "City", **choices: Any) -> None:
    """Fill in the form; `choices` are `wait`, `timeout` and `delay`."""
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Category").select_option(category)
    if not choices:
        return
    if not await page.get_by_label("Wait for at most").is_visible():
        await page.get_by_text("How to wait").click()
    if choices.get("wait") == "response":
        await page.get_by_label("In the response").check()
    if "timeout" in choices:
        await page.get_by_label("Wait for at most").fill(str(choices["timeout"]))
    if "delay" in choices:
        await page.get_by_label("Make the reactor slow").check()
        await page.get_by_label("Delay in seconds").fill(str(choices["delay"]))


async def register(page: Page, name: str, category: str = "City", **choices: Any) -> None:
    """Open the form, fill it in and send it; in front, as a tab behind is slowed down."""
    await page.bring_to_front()
    await page.goto("/locations/new")
    await fill(page, name, category, **choices)
    await page.get_by_role("button", name="Register", exact=True).click()


def entry(page: Page, name: str) -> Locator:
    """The command's row in the activity."""
    return page.locator(".log > li").filter(has_text=name)


async def expect_state(page: Page, name: str, state: str) -> None:
    """Wait until the activity says so."""
    await expect(entry(page, name)).to_have_attribute("data-state", state)


async def rows(up: Up, sql: str, *arguments: Any) -> list[Any]:
    """Ask the database."""
    connection = await asyncpg.connect(up.facts["postgres"])
    try:
        return list(await connection.fetch(sql, *arguments))
    finally:
        await connection.close()


async def log(page: Page) -> dict[str, str]:
    """What the page's log says became of each command, by command id."""
    entries = await page.evaluate(
        "() => Object.entries(localStorage).filter(([key]) => key.startsWith('homing.command/'))"
        ".map(([, value]) => JSON.parse(value)).map(({ commandId, state }) => [commandId, state])"
    )
    return dict(entries)


async def streams_open(up: Up) -> int:
    """How many event streams the API has open, for all browsers."""
    return await asyncio.to_thread(_gauge, f"{up.facts['internal']['api']}/metrics")


def _gauge(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as response:
        for line in response.read().decode().splitlines():
            if line.startswith("homing_streams_open "):
                return int(float(line.split()[1]))
    raise AssertionError("no such metric")
