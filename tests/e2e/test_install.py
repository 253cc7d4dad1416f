"""From nothing to the first outcome, as somebody sees it who tries Homing on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, expect

from support.release import Release
from support.visiting import register, unused

pytestmark = pytest.mark.e2e
FIRST_OUTCOME_SECONDS = 120.0


async def test_the_first_outcome_comes_in_time(
    release: Release, url: str, browser: Browser, record_property: Callable[[str, str], None]
) -> None:
    """`helm install`, open the page, register a place, be led to it: in under two minutes."""
    page = await browser.new_page(base_url=url)
    name = unused("Graz")
    await register(page, name)
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    took = time.monotonic() - release.installed_at
    record_property("seconds from helm install to the first outcome", f"{took:.1f}")
    assert took < FIRST_OUTCOME_SECONDS


async def test_the_charts_own_test_passes(release: Release) -> None:
    """`helm test`: a command is sent from inside, and its outcome comes over SSE."""
    said = await release.helm("test", "homing-e2e", "--timeout", "90s")
    assert "Succeeded" in said
