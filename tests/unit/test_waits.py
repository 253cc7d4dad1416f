"""How waits are counted, and what is folded before it labels anything; no servers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from nats.errors import SlowConsumerError
from prometheus_client import REGISTRY

from homing.broker import Broker, Delivery
from homing.domain import Rejected
from homing.identity import new_command_id
from homing.outcome import now
from homing.settle import rejected
from homing.testing.memory_broker import MemoryBroker
from homing.testing.memory_store import MemoryStore
from homing_api import waits as waits_module
from homing_api.hub import Hub
from homing_api.streaming import Streaming
from homing_api.streams import Caps, Streams
from homing_api.sweeping import Sweeper
from homing_api.waits import DRAINED, LEFT, TIMED_OUT, Waits
from homing_reactor.deciding import Decider, _counted
from homing_reactor.intake import Fault, Task
from support.applying import register
from support.inmemory import PARTITIONS, running_api
from support.rows import made, somebody
from support.waiting import until

ME = somebody("me")
ENDED, LATE = "homing_waits_ended_total", "homing_waits_told_late_total"


class Counted:
    """What was counted since."""

    def __init__(self) -> None:
        self._before: dict[Any, float] = {}
        self._before = self._all()

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return self._all().get(key, 0.0) - self._before.get(key, 0.0)

    def _all(self) -> dict[Any, float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
        }


def test_a_wait_ends_once_and_whoever_leaves_has_left() -> None:
    """The first cause counts; without an end, the client left."""
    counted, waits = Counted(), Waits()
    with waits.open("response", "a") as wait:
        assert counted("homing_waits_held") == 1
        wait.end("succeeded")
        wait.end(TIMED_OUT)
    with waits.open("stream", "b"):
        pass
    with waits.open("stream", "c", counts=False) as wait:
        wait.end("failed")
    assert counted("homing_waits_held") == 0
    assert counted(ENDED, over="response", cause="succeeded") == 1
    assert counted(ENDED, over="response", cause=TIMED_OUT) == 0
    assert counted(ENDED, over="stream", cause=LEFT) == 1
    assert counted(ENDED, over="stream", cause="failed") == 0


def test_an_outcome_is_late_once_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told on ten streams it is one; those that are never told are forgotten, the oldest first."""
    monkeypatch.setattr(waits_module, "LATE_MAX", 2)
    counted, waits = Counted(), Waits()
    some = [made(ME) for _ in range(3)]
    for stored in some:
        with waits.open("response", stored.outcome.command_id) as wait:
            wait.end(TIMED_OUT)
    for _ in range(2):
        for stored in some:
            waits.told("stream", stored.outcome)
    waits.seen("never waited for")
    assert counted(LATE) == 2
    assert counted("homing_outcomes_sent_total", over="stream") == 6
    assert counted("homing_loop_seconds_count", over="stream") == 0


async def test_a_process_that_drains_says_so_of_its_waits() -> None:
    """Of a held response and of a stream: neither has timed out, and nobody has left."""
    counted = Counted()
    async with running_api(MemoryBroker(PARTITIONS), MemoryStore(PARTITIONS)) as api:
        held = asyncio.create_task(
            api.submit(ME, "locations.register", name="Ulm", category="City")
        )
        await until(lambda: counted("homing_waits_held") == 1)
        api.submitter._draining.set()
        assert (await held).outcome is None
    assert counted(ENDED, over="response", cause=DRAINED) == 1
    store = MemoryStore(PARTITIONS)
    hub, streams = Hub(store.read), Streams(Caps(5, 5, 60.0))
    sweeper = Sweeper(hub, store, await store.look())
    streaming = Streaming(streams, hub, store, sweeper, 1, Waits())
    frames = streaming.of_command(ME, new_command_id(), 30.0)
    reading = asyncio.create_task(_read(frames))
    await until(lambda: counted("homing_waits_held") == 1)
    await streams.drain(1.0)
    await reading
    assert counted(ENDED, over="stream", cause=DRAINED) == 1
    assert counted("homing_streams_ended_total", reason="drain") == 1
    assert counted("homing_waits_held") == 0


async def _read(frames: Any) -> None:
    async for _ in frames:
        pass


def test_types_that_no_domain_has_are_one() -> None:
    """However many strangers put on the stream; a known type keeps its name though it fails."""
    tasks = [
        _failing("x.y", "unknown-type"), _failing("", "misplaced"),
        _failing("locations.register", "invalid-payload"),
    ]  # fmt: skip
    plan = Decider(1).decide([(0, task) for task in tasks], {}, {}, None)
    assert plan.types == [
        ("unknown", "failed"), ("unknown", "failed"), ("locations.register", "failed"),
    ]  # fmt: skip


def test_a_rule_that_calls_itself_expired_has_rejected() -> None:
    """Only what came too late is expired."""
    task = _failing("locations.register", "invalid-payload")
    assert task.envelope is not None
    verdict = rejected(Rejected("expired", "Too old."), None)
    assert _counted(task, task.envelope, verdict) == ("locations.register", "rejected")


def _failing(kind: str, why: str) -> Task:
    envelope = msgspec.structs.replace(register("Ulm"), type=kind)
    return Task(Delivery(1, 1, 1, "s", {}, b"", now(), now(), "r"), envelope, fault=Fault(why, ""))


async def test_what_nats_does_to_us_is_counted() -> None:
    """A slow consumer and a reconnect, each once, each told to who doubts."""
    counted, broker, doubts = Counted(), Broker("nats://nowhere:1", "api"), []
    broker.on_doubt(doubts.append)
    await broker._on_error(SlowConsumerError("s", "r", 1, None))  # type: ignore[arg-type]
    await broker._on_reconnected()
    assert doubts == ["slow-consumer", "reconnected"]
    assert counted("homing_nats_slow_consumer_total") == 1
    assert counted("homing_nats_reconnects_total") == 1
