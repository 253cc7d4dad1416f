"""How much of the stream lies beyond given sequences: what lag is measured from.

One or two direct gets per partition, all at once: the answers' headers tell the count and the
times. Any replica of the stream may answer; the last sequence comes from the leader, with its
clock, so that the age of a message is not a matter of two clocks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from homing.broker.connection import Broker
from homing.broker.topology import parsed_time
from homing.errors import BrokerUnavailable
from homing.partition import COMMANDS, STREAM

NOT_FOUND = "404"
REQUEST_SECONDS = 2


class Tail(NamedTuple):
    """The end of the stream."""

    sequence: int
    """The last one that was given out."""
    at: datetime
    """The server's clock at this moment."""
    bytes: int
    """How much the stream stores."""
    bytes_max: int | None
    """How much it may store; None without a limit."""


class Beyond(NamedTuple):
    """What a partition has beyond a sequence."""

    at: datetime | None
    """When the message of this sequence was stored; None if there is none."""
    commands: int
    oldest_at: datetime | None
    """When the first of them was stored, by the stream's own clock; None without any."""


class _Found(NamedTuple):
    """A message of a partition."""

    sequence: int
    at: datetime
    more: int
    """How many come after it, if that was asked for."""


async def tail(broker: Broker) -> Tail:
    """The end of the stream, from its leader. Raises `BrokerUnavailable`."""
    answer = await _asked(broker, f"$JS.API.STREAM.INFO.{STREAM}", b"")
    said = json.loads(answer.data)
    if refused := said.get("error"):
        raise BrokerUnavailable(str(refused))
    state, most = said["state"], int(said["config"]["max_bytes"])
    return Tail(
        int(state["last_seq"]),
        parsed_time(said["ts"]),
        int(state["bytes"]),
        most if most > 0 else None,
    )


async def beyond(broker: Broker, after: Mapping[int, int]) -> dict[int, Beyond]:
    """What each partition has beyond its sequence in `after`. Raises `BrokerUnavailable`."""
    found = await asyncio.gather(*(_beyond(broker, *one) for one in after.items()))
    return dict(zip(after, found, strict=True))


async def _beyond(broker: Broker, partition: int, sequence: int) -> Beyond:
    first = await _first(broker, partition, max(1, sequence), count=True)
    if first is None:
        return Beyond(None, 0, None)
    if first.sequence > sequence:
        return Beyond(None, 1 + first.more, first.at)
    if not first.more:
        return Beyond(first.at, 0, None)
    oldest = await _first(broker, partition, sequence + 1, count=False)
    if oldest is None:
        raise BrokerUnavailable("two replicas of the stream do not agree")
    return Beyond(first.at, first.more, oldest.at)


async def _first(broker: Broker, partition: int, sequence: int, *, count: bool) -> _Found | None:
    """The partition's first message from a sequence on."""
    wanted: dict[str, Any] = {"seq": sequence, "next_by_subj": f"{COMMANDS}.{partition}.>"}
    if count:  # of a batch, if only of one, the server says how many would be left behind it
        wanted["batch"] = 1
    subject = f"$JS.API.DIRECT.GET.{STREAM}"
    message = await _asked(broker, subject, json.dumps(wanted).encode())
    said = message.headers or {}
    if said.get("Status") == NOT_FOUND:
        return None
    try:
        at = parsed_time(said["Nats-Time-Stamp"])
        more = int(said["Nats-Num-Pending"]) if count else 0
        return _Found(int(said["Nats-Sequence"]), at, more)
    except (KeyError, ValueError) as error:
        raise BrokerUnavailable(f"no answer to a direct get: {said}") from error


async def _asked(broker: Broker, subject: str, body: bytes) -> Msg:
    if not broker.connected:  # a failed request would leak in nats-py's map
        raise BrokerUnavailable("not connected")
    try:
        return await broker.client.request(subject, body, timeout=REQUEST_SECONDS)
    except (NatsError, TimeoutError) as error:
        raise BrokerUnavailable(str(error)) from error
