"""A command is waited for in three ways, through the web Service."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.ledger import ADD
from support.sse import events
from support.waiting import until

pytestmark = pytest.mark.e2e


async def test_a_command_is_waited_for_in_three_ways(url: str) -> None:
    """Held in the response, pushed over its own stream, and read as a status."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        await http.get("/api/session")
        payload = {"tally_id": "told", "number": 1}
        held = await http.post(ADD, json=payload, headers={"Prefer": "wait=10"})
        assert (held.status_code, held.json()["data"]["count"]) == (200, 1)

        links = (await http.post(ADD, json=payload)).json()["links"]
        async with http.stream("GET", links["events"]) as response:
            (pushed,) = [event async for event in events(response)]
        assert (pushed.type, pushed.json["data"]["count"]) == ("outcome", 2)

        status = (await http.post(ADD, json=payload)).json()["links"]["status"]

        async def read() -> Any:
            said = (await http.get(status)).json()
            return said if said["status"] != "pending" else None

        assert (await until(read))["data"]["count"] == 3
