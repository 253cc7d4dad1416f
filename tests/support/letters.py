"""Commands that fail without any fault of a domain, and what became of them."""

from __future__ import annotations

import httpx
import msgspec
import nats

from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, traceparent
from homing.outcome import now
from homing.partition import partition_of, subject_of
from support.place import Place
from support.waiting import until


async def stray(me: httpx.AsyncClient, place: Place, key: str, number: int) -> str:
    """A command in a partition where its key does not belong: it fails there; its id."""
    payload = msgspec.json.encode({"tally_id": key, "number": number})
    owner = (await me.get("/api/session")).json()["owner"]
    made = Envelope(
        specversion="1.0", id=new_command_id(), type="tally.add", key=key, accepted_at=now(),
        owner=owner, fingerprint=fingerprint("tally.add", payload), traceparent=traceparent(),
        payload=msgspec.Raw(payload),
    )  # fmt: skip
    wrong = (partition_of(key, place.partitions) + 1) % place.partitions
    await publish(place, subject_of(made.type, wrong), encode(made))
    await until(lambda: outcome(place, made.id))
    return made.id


async def publish(place: Place, subject: str, body: bytes) -> int:
    """Put something on the stream; its sequence."""
    client = await nats.connect(place.nats_url)
    try:
        return (await client.jetstream().publish(subject, body)).seq
    finally:
        await client.close()


async def outcome(place: Place, command_id: str) -> str | None:
    """The status of a command's outcome, if it has one."""
    rows = await place.rows("SELECT status FROM homing.outcomes WHERE command_id = $1", command_id)
    return str(rows[0][0]) if rows else None
