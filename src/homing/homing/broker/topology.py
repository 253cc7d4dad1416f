"""The stream of commands and its consumers: made by `homing migrate`, checked by the others."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from homing.broker.connection import Broker
from homing.errors import BrokerUnavailable, NotMigrated, TopologyMismatch
from homing.partition import COMMANDS, STREAM, consumer_of

MESSAGE_MAX_BYTES = 262_144
PARTITIONS_KEY = "homing-partitions"
NO_MESSAGE = 10037


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """What the stream should be."""

    partitions: int
    max_bytes: int
    duplicate_window_seconds: float
    replicas: int


@dataclass(frozen=True)
class StreamFacts:
    """What the stream is: its identity and its partitions."""

    created_at: datetime
    partitions: int


async def ensure(broker: Broker, plan: StreamPlan) -> StreamFacts:
    """Create or update the stream and its consumers.

    Raises `TopologyMismatch` if it exists with another number of partitions: JetStream would accept
    the change and silently break the order per key.
    """
    js = broker.client.jetstream()
    try:
        existing = await _find(js)
        if existing is None:
            await js.add_stream(_stream(plan))
        else:
            _same_partitions(existing, plan.partitions)
            await js.update_stream(_stream(plan))
        known = {info.name for info in await _consumers(js)}
        for partition in range(plan.partitions):
            if consumer_of(partition) not in known:
                await js.add_consumer(STREAM, _consumer(partition))
        facts = await _find(js)
    except (NatsError, TimeoutError) as error:
        raise BrokerUnavailable(str(error)) from error
    assert facts is not None  # noqa: S101  # just created
    return facts


async def verify(broker: Broker, partitions: int) -> StreamFacts:
    """The stream's facts. Raises `NotMigrated` without one, `TopologyMismatch` for a wrong one."""
    try:
        facts = await _find(broker.client.jetstream())
    except (NatsError, TimeoutError) as error:
        raise BrokerUnavailable(str(error)) from error
    if facts is None:
        raise NotMigrated(f"there is no stream {STREAM}")
    _same_partitions(facts, partitions)
    return facts


async def read_message(broker: Broker, sequence: int) -> dict[str, Any] | None:
    """One stored message from the stream's leader: `subject`, `time`, `data` (bytes); or None."""
    if not broker.connected:
        raise BrokerUnavailable("not connected")
    try:
        answer = await broker.client.request(
            f"$JS.API.STREAM.MSG.GET.{STREAM}", b'{"seq":%d}' % sequence, timeout=2
        )
    except (NatsError, TimeoutError) as error:
        raise BrokerUnavailable(str(error)) from error
    said = json.loads(answer.data)
    if refused := said.get("error"):
        if refused.get("err_code") == NO_MESSAGE:
            return None
        raise BrokerUnavailable(str(refused))
    message = said["message"]
    return {
        "subject": message["subject"],
        "time": parsed_time(message["time"]),
        "data": base64.b64decode(message.get("data", "")),
    }


async def last_sequence(broker: Broker) -> int:
    """The last sequence that the stream has given out."""
    if not broker.connected:
        raise BrokerUnavailable("not connected")
    try:
        answer = await broker.client.request(f"$JS.API.STREAM.INFO.{STREAM}", b"", timeout=2)
    except (NatsError, TimeoutError) as error:
        raise BrokerUnavailable(str(error)) from error
    said = json.loads(answer.data)
    if refused := said.get("error"):
        raise BrokerUnavailable(str(refused))
    return int(said["state"]["last_seq"])


def parsed_time(text: str) -> datetime:
    """RFC 3339 with nanoseconds, as Go writes it, cut to what Python and Postgres can hold."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")


def _same_partitions(facts: StreamFacts, partitions: int) -> None:
    if facts.partitions != partitions:
        raise TopologyMismatch(
            f"the stream {STREAM} has {facts.partitions} partitions, "
            f"HOMING_PARTITIONS says {partitions}; the number is fixed when the stream is created"
        )


def _stream(plan: StreamPlan) -> api.StreamConfig:
    return api.StreamConfig(
        name=STREAM,
        description="Homing: accepted commands",
        # Listed, so that a publish to a partition that nobody consumes is refused.
        subjects=[f"{COMMANDS}.{partition}.>" for partition in range(plan.partitions)],
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,  # and no max_age: it deletes unapplied commands
        discard=api.DiscardPolicy.NEW,
        max_bytes=plan.max_bytes,
        max_msg_size=MESSAGE_MAX_BYTES,
        duplicate_window=plan.duplicate_window_seconds,
        num_replicas=plan.replicas,
        allow_direct=True,
        metadata={PARTITIONS_KEY: str(plan.partitions)},
    )


def _consumer(partition: int) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        durable_name=consumer_of(partition),
        filter_subject=f"{COMMANDS}.{partition}.>",
        deliver_policy=api.DeliverPolicy.ALL,
        ack_policy=api.AckPolicy.ALL,
        ack_wait=10,
        max_ack_pending=2000,
        max_deliver=-1,
    )


async def _find(js: Any) -> StreamFacts | None:
    try:
        answer = await js._api_request(f"$JS.API.STREAM.INFO.{STREAM}", b"", timeout=5)
    except NotFoundError:
        return None
    except APIError as error:
        raise BrokerUnavailable(str(error)) from error
    partitions = (answer["config"].get("metadata") or {}).get(PARTITIONS_KEY, "0")
    return StreamFacts(parsed_time(answer["created"]), int(partitions))


async def _consumers(js: Any) -> list[api.ConsumerInfo]:
    found: list[api.ConsumerInfo] = []
    while page := await js.consumers_info(STREAM, offset=len(found)):
        found.extend(page)
    return found
