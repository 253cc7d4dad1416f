"""A real `homing up`, and a real browser that minds its manners: no error, no foreign request."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from support.place import open_folder
from support.up import Up
from support.visiting import Manners, Visit


@pytest.fixture
async def manners() -> AsyncIterator[Manners]:
    """What went wrong in any page of the test; nothing may have."""
    manners = Manners()
    yield manners
    assert manners.offences == []


@pytest.fixture
async def visit(browser: Browser, manners: Manners) -> AsyncIterator[Visit]:
    """Opens a browser of its own: no cookie, nothing stored."""
    contexts: list[BrowserContext] = []

    async def visit(url: str) -> BrowserContext:
        context = await browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
        context.set_default_timeout(15_000)
        manners.watch(context, url)
        contexts.append(context)
        return context

    yield visit
    for context in contexts:
        await context.close()


@pytest.fixture
async def page(visit: Visit, up: Up) -> Page:
    """A tab of a new browser, at the shared `homing up`, with nothing shown yet."""
    return await (await visit(up.facts["url"])).new_page()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another account can enter, for a run of the test's own."""
    path = open_folder()
    yield path
    shutil.rmtree(path)
