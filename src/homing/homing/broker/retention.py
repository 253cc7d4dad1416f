"""What is stored of one partition, and trimming it.

Looking is by direct get, which any replica of the stream answers: one that is behind lacks only
what was stored last. Trimming is a purge of one partition's subject; nothing brings back what it
took.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from homing.broker.connection import Broker
from homing.broker.seam import Kept
from homing.broker.topology import parsed_time
from homing.errors import BrokerUnavailable
from homing.partition import COMMANDS, STREAM

NOT_FOUND = "404"
LOOK_SECONDS = 2.0
PURGE_SECONDS = 10.0
"""A purge reads the blocks of the stream that it takes messages from."""


async def next_message(broker: Broker, partition: int, after: int) -> Kept | None:
    """The partition's first message behind a sequence. Raises `BrokerUnavailable`."""
    return await _look(broker, partition, seq=after + 1)


async def first_since(broker: Broker, partition: int, at: datetime) -> Kept | None:
    """The partition's first message stored at a time or later. Raises `BrokerUnavailable`."""
    return await _look(broker, partition, start_time=at.isoformat())


async def trim(broker: Broker, partition: int, below: int) -> int:
    """Remove the partition's messages below a sequence; how many. Raises `BrokerUnavailable`."""
    asked = {"filter": _subjects(partition), "seq": below}
    answer = await _request(broker, f"STREAM.PURGE.{STREAM}", asked, PURGE_SECONDS)
    said = json.loads(answer.data)
    if refused := said.get("error"):
        raise BrokerUnavailable(str(refused))
    return int(said["purged"])


def _subjects(partition: int) -> str:
    return f"{COMMANDS}.{partition}.>"


async def _look(broker: Broker, partition: int, **begin: Any) -> Kept | None:
    asked = {"next_by_subj": _subjects(partition), **begin}
    answer = await _request(broker, f"DIRECT.GET.{STREAM}", asked, LOOK_SECONDS)
    headers = answer.headers or {}
    if status := headers.get("Status"):
        if status == NOT_FOUND:
            return None
        raise BrokerUnavailable(f"{status} {headers.get('Description', '')}")
    return Kept(
        int(headers["Nats-Sequence"]),
        parsed_time(headers["Nats-Time-Stamp"]),
        headers.get("Nats-Msg-Id", ""),
    )


async def _request(broker: Broker, call: str, asked: dict[str, Any], seconds: float) -> Msg:
    if not broker.connected:  # a failed request would leak in nats-py's map
        raise BrokerUnavailable("not connected")
    try:
        return await broker.client.request(
            f"$JS.API.{call}", json.dumps(asked).encode(), timeout=seconds
        )
    except (NatsError, TimeoutError) as error:
        raise BrokerUnavailable(str(error)) from error
