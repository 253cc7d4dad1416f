"""The users of NATS have the rights that their process needs, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest

from homing.broker import CommandStream, connect
from homing.local import ports, wheels
from homing.migrate import migrate
from homing.partition import partition_of
from homing.permissions import NATS, inbox, nats_users
from homing.settings import MigrateSettings
from support.place import Place
from support.running import running_api, running_reactor
from support.shell import Shell
from support.waiting import until

TOKEN = "an-operators-token-of-its-own"
CONFIG = """\
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
{users}
"""
FORBIDDEN = [
    ("api", "publish", "homing.outcomes.someone.some-id"),
    ("api", "publish", "$JS.API.STREAM.DELETE.HOMING_COMMANDS"),
    ("api", "publish", "$JS.API.STREAM.PURGE.HOMING_COMMANDS"),
    ("api", "publish", "$JS.API.CONSUMER.MSG.NEXT.HOMING_COMMANDS.partition-0"),
    ("api", "publish", f"{inbox('reactor')}.x"),
    ("api", "subscribe", f"{inbox('reactor')}.>"),
    ("api", "subscribe", "homing.commands.>"),
    ("reactor", "publish", "homing.commands.0.locations.register"),
    ("reactor", "publish", "$JS.API.STREAM.UPDATE.HOMING_COMMANDS"),
    ("reactor", "subscribe", "homing.outcomes.>"),
    ("reactor", "subscribe", f"{inbox('api')}.>"),
    ("migrate", "publish", "homing.outcomes.someone.some-id"),
    ("migrate", "publish", "$JS.API.STREAM.DELETE.HOMING_COMMANDS"),
    ("migrate", "publish", "$JS.API.STREAM.PURGE.HOMING_COMMANDS"),
    ("migrate", "subscribe", ">"),
]


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[int, Path]]:
    """The port and the log of a server with these users, whose passwords are their names."""
    folder = tmp_path_factory.mktemp("nats")
    port = ports.free()[0]
    config, log = folder / "nats.conf", folder / "log"
    config.write_text(CONFIG.format(port=port, store=folder / "store", users=nats_users()))
    passwords = {f"{process.upper()}_PASSWORD": process for process in NATS}
    with log.open("wb") as file:
        server = await asyncio.create_subprocess_exec(
            wheels.nats_server(), "-c", config, stderr=file, env=passwords
        )
    try:
        await until(lambda: b"Server is ready" in log.read_bytes(), 20)
        yield port, log
    finally:
        server.terminate()
        await server.wait()


def url(port: int, process: str) -> str:
    """As the chart writes it."""
    return f"nats://homing_{process}:{process}@127.0.0.1:{port}"


async def test_a_command_comes_home_with_these_rights_alone(
    guarded: tuple[int, Path], place: Place
) -> None:
    """Migration, API and reactor do all of their work, and the server refuses nothing of it."""
    port, log = guarded
    settings = MigrateSettings(
        nats_url=url(port, "migrate"),
        postgres_url=place.postgres_url("homing_migrator"),
        partitions=place.partitions,
        commands_max_bytes=64 * 1024 * 1024,
    )
    await place.rows("DELETE FROM homing.stream")
    for _ in range(2):  # the second one updates what is there
        await migrate(settings)
    lag_ports = ports.free(2)
    async with (
        running_api(
            place, nats_url=url(port, "api"), internal_port=lag_ports[0], operator_token=TOKEN
        ) as base,
        running_reactor(place, nats_url=url(port, "reactor"), internal_port=lag_ports[1]),
        httpx.AsyncClient(base_url=base) as client,
    ):
        body = {"name": "Graz", "category": "City"}
        waited = {"Prefer": "wait=10"}
        answer = await client.post("/api/commands/locations.register", json=body, headers=waited)
        assert answer.status_code == 200, answer.text
        id_, sequence = answer.json()["command_id"], answer.json()["position"]["sequence"]
        status = await client.get(f"/api/commands/{id_}?seq={sequence}")
        assert status.json()["status"] == "succeeded"
        broken = {"tally_id": "broken"}
        await client.post("/api/commands/tally.explode", json=broken, headers=waited)
        desk = f"http://127.0.0.1:{lag_ports[0]}/operator"
        signed = {"Authorization": f"Bearer {TOKEN}"}
        for verb in ("replay", "discard"):
            done = await client.post(f"{desk}/dead-letters/1/{verb}", headers=signed)
            assert done.status_code == 200, done.text
        operator = Shell(
            HOMING_NATS_URL=url(port, "migrate"),
            HOMING_POSTGRES_URL=place.postgres_url("homing_migrator"),
        )
        replayed = await operator.run("dead-letters", "replay", "1")
        assert replayed.code == 0, replayed.err
        for internal in lag_ports:
            lag = await client.get(f"http://127.0.0.1:{internal}/lag")
            assert lag.status_code == 200, lag.text
    assert "Violation" not in log.read_text()


async def test_trimming_pruning_and_adopting_need_no_other_rights(
    guarded: tuple[int, Path], place: Place
) -> None:
    """The holder of a partition trims and prunes as a reactor's user and role, in both servers."""
    port, log = guarded
    settings = MigrateSettings(
        nats_url=url(port, "migrate"), postgres_url=place.postgres_url("homing_migrator"),
        partitions=place.partitions, commands_max_bytes=64 * 1024 * 1024,
    )  # fmt: skip
    await migrate(settings, adopt_stream=True)  # the one that the place was made with is another
    second = 1 / 86_400
    brief = {
        "command_retention_days": second / 2, "outcome_retention_days": second,
        "event_retention_days": second, "retention_pace_seconds": 0.2,
    }  # fmt: skip
    async with (
        running_api(place, nats_url=url(port, "api")) as base,
        running_reactor(place, nats_url=url(port, "reactor"), **brief),
        httpx.AsyncClient(base_url=base) as client,
    ):
        body, waited = {"tally_id": "t", "number": 1}, {"Prefer": "wait=10"}
        for _ in range(3):
            answer = await client.post("/api/commands/tally.add", json=body, headers=waited)
            assert answer.status_code == 200, answer.text
        last = answer.json()["position"]["sequence"]
        broker = await connect(url(port, "migrate"), "migrate")
        stream = CommandStream(broker)
        partition = partition_of("t", place.partitions)

        async def kept_alone() -> bool:
            first = await stream.next_message(partition, 0)
            rows = await place.rows(
                "SELECT command_id FROM homing.outcomes UNION SELECT command_id FROM homing.events"
            )
            return first is not None and first.sequence == last and not rows

        try:
            await until(kept_alone)
        finally:
            await broker.close()
    assert "Violation" not in log.read_text()


@pytest.mark.parametrize(("process", "action", "subject"), FORBIDDEN)
async def test_what_a_process_does_not_need_is_refused(
    guarded: tuple[int, Path], process: str, action: str, subject: str
) -> None:
    """Neither commands nor outcomes can be forged or read with another process's password."""
    refused = asyncio.Event()

    async def said(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            refused.set()

    options: dict[str, Any] = {"error_cb": said, "allow_reconnect": False}
    client = await nats.connect(url(guarded[0], process), **options)
    try:
        if action == "publish":
            await client.publish(subject, b"{}")
        else:
            await client.subscribe(subject)
        await client.flush()
        await asyncio.wait_for(refused.wait(), 5)
    finally:
        await client.close()
