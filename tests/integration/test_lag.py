"""`/lag` on the internal ports: right at any number of reactors, and never a wrong 0."""

from __future__ import annotations

from typing import Any

import httpx

from homing.local import ports
from support.place import Place
from support.running import running_api, running_reactor
from support.waiting import until
from support.world import REGISTER, client, place_named

COMMANDS = 12


async def lag_at(port: int) -> Any:
    """What an internal port says."""
    async with httpx.AsyncClient() as one:
        return (await one.get(f"http://127.0.0.1:{port}/lag", timeout=10)).raise_for_status().json()


async def test_lag_is_known_without_any_reactor(place: Place) -> None:
    """Both ports count what nobody has applied yet, its age grows, and it is 0 once it is done."""
    api_port, reactor_port = ports.free(2)
    async with running_api(place, internal_port=api_port) as url, client(url) as me:
        assert (await lag_at(api_port))["gap"] == 0
        for number in range(COMMANDS):
            answer = await me.post(REGISTER, json=place_named(f"Lag {number}"))
            assert answer.status_code == 202
        first = await until(lambda: _with_gap(api_port, COMMANDS), 5)
        assert 1 <= first["partitions"] <= place.partitions
        await until(lambda: _older(api_port, first["oldest_seconds"] + 1), 5)
        async with running_reactor(place, internal_port=reactor_port):
            for port in (api_port, reactor_port):
                done = await until(lambda port=port: _with_gap(port, 0), 20)
                assert (done["partitions"], done["oldest_seconds"]) == (0, 0)


async def test_a_command_that_is_held_back_counts(place: Place) -> None:
    """The simulated delay makes it late, and late is what lag is."""
    port = ports.free()[0]
    async with (
        running_reactor(place),
        running_api(place, internal_port=port) as url,
        client(url) as me,
    ):
        slow = {"Homing-Demo-Delay": "5"}
        await me.post(REGISTER, json=place_named("Slow"), headers=slow)
        assert (await until(lambda: _with_gap(port, 1), 4))["partitions"] == 1
        await until(lambda: _with_gap(port, 0), 15)


async def test_a_server_that_is_away_makes_lag_unknown(place: Place) -> None:
    """503 with a problem that says why, within seconds; afterwards it is known again."""
    port = ports.free()[0]
    async with running_api(place, internal_port=port), httpx.AsyncClient() as one:
        for server in (place.servers.nats, place.servers.postgres):
            assert (await lag_at(port))["gap"] == 0
            await server.stop()
            try:
                refused = await until(lambda: _unknown(one, port), 10)
            finally:
                await server.start()
            assert refused["type"] == "/problems/unavailable"
            assert refused["detail"]
            await until(lambda: _known(one, port), 20)


async def _with_gap(port: int, gap: int) -> Any:
    said = await lag_at(port)
    return said if said["gap"] == gap else None


async def _older(port: int, seconds: float) -> bool:
    said = await lag_at(port)
    return bool(said["gap"] == COMMANDS and said["oldest_seconds"] >= seconds)


async def _unknown(one: httpx.AsyncClient, port: int) -> Any:
    answer = await one.get(f"http://127.0.0.1:{port}/lag", timeout=5)
    return answer.json() if answer.status_code == 503 else None


async def _known(one: httpx.AsyncClient, port: int) -> bool:
    return (await one.get(f"http://127.0.0.1:{port}/lag", timeout=5)).status_code == 200
