"""What bad and slow commands cost the others, by what the reactor does about them.

`make bench-rounds` publishes the same seeded commands for each variant of one reactor: as it is,
and with one of its rules taken out. Printed is how long good commands of partitions without trouble
took from the stream's own time to their commit, and how many rounds failed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats

from homing.envelope import Envelope, encode
from homing.identity import fingerprint, new_command_id, owner_token, traceparent
from homing.outcome import now
from homing.partition import partition_of, subject_of
from support.place import Place, fresh_place, running_servers
from support.running import Process
from support.waiting import until

OWNER = owner_token("bench", "rounds")
KEYS, PARTITIONS = 2000, 64
VARIANTS = {
    "as it is": "",
    "rounds of a fixed size": (
        "from homing_reactor.pace import Pace;Pace.failed = Pace.committed = lambda self, _: None"
    ),
    "slow types in merged rounds": (
        "from homing_reactor import pace; pace.SLOW_TYPE_SECONDS = float('inf')"
    ),
    "merged statements of up to 2 s": (
        "from homing_reactor import main; main.MERGED_STATEMENT_MS = 2000"
    ),
}


class Reactor(Process):
    """A reactor with something changed in it."""

    def __init__(self, place: Place, change: str) -> None:
        super().__init__("reactor", place)
        self._change = change

    def command(self) -> list[str]:
        """The change first, then the process as it is."""
        code = f"{self._change}\nfrom homing_reactor.main import main\nmain()"
        return [sys.executable, "-c", code]


def commands(options: argparse.Namespace) -> list[Envelope]:
    """The same for every variant, but for ids and times."""
    dice = random.Random(options.seed)
    made = []
    for _ in range(int(options.rate * options.seconds)):
        roll, key = dice.random(), f"k{dice.randrange(KEYS)}"
        kind = "refused" if roll < options.refused else "fine"
        slow = options.refused <= roll < options.refused + options.slow
        hang = roll > 1 - options.hang
        made.append(_command(key, "hang" if hang else kind, slow=slow))
    return made


def _command(key: str, kind: str, *, slow: bool) -> Envelope:
    command_type = "trouble.slow" if slow else "trouble.make"
    said = {"trouble_id": key} if slow else {"trouble_id": key, "kind": kind}
    payload = msgspec.json.encode(said)
    return Envelope(
        specversion="1.0", id=new_command_id(), type=command_type, key=key, accepted_at=now(),
        owner=OWNER, fingerprint=fingerprint(command_type, payload), traceparent=traceparent(),
        payload=msgspec.Raw(payload),
    )  # fmt: skip


def bad_partitions(made: list[Envelope]) -> list[int]:
    """Where something has to wait, whatever the reactor does."""
    return sorted(
        {
            partition_of(one.key, PARTITIONS)
            for one in made
            if one.type == "trouble.slow" or b"fine" not in bytes(one.payload)
        }
    )


async def publish(place: Place, made: list[Envelope], rate: float) -> None:
    """All of them at a steady pace."""
    client = await nats.connect(place.nats_url)
    stream, gate = client.jetstream(), asyncio.Semaphore(128)
    started, tasks = time.monotonic(), []

    async def send(one: Envelope) -> None:
        async with gate:
            await stream.publish(
                subject_of(one.type, partition_of(one.key, PARTITIONS)), encode(one)
            )

    for number, one in enumerate(made):
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(send(one)))
    await asyncio.gather(*tasks)
    await client.close()


@asynccontextmanager
async def reacting(place: Place, change: str) -> AsyncIterator[Reactor]:
    """A reactor that holds everything."""
    reactor = Reactor(place, change)
    await reactor.start().ready()

    async def held() -> bool:
        sql = "SELECT count(*) FROM homing.partitions WHERE holder IS NOT NULL"
        return (await place.rows(sql))[0][0] == PARTITIONS

    try:
        await until(held)
        yield reactor
    finally:
        await reactor.end()


async def measure(place: Place, change: str, options: argparse.Namespace) -> str:
    """One line of the table."""
    made = commands(options)
    async with reacting(place, change) as reactor:
        await publish(place, made, options.rate)

        async def done() -> bool:
            return (await place.rows("SELECT count(*) FROM homing.outcomes"))[0][0] >= len(made)

        await until(done, 300, pause=0.5)
        failed = reactor.log.count('"round.failed"')
    row = (
        await place.rows(
            "SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY 1000 *"
            " extract(epoch FROM recorded_at"
            " - (body::json->'timeline'->>'published_at')::timestamptz))"
            " FROM homing.outcomes WHERE status = 'succeeded' AND NOT partition = ANY($1::int[])",
            bad_partitions(made),
        )
    )[0][0]
    return " ".join(f"{value:8.0f}" for value in row) + f"{failed:8d}"


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rate", 300), ("seconds", 20), ("refused", 0.002), ("slow", 0.001)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--hang", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'others, in ms':<32} {'p50':>8} {'p99':>8} {'max':>8} {'failed':>7}")
    async with running_servers() as servers:
        for name, change in VARIANTS.items():
            async with fresh_place(servers, partitions=PARTITIONS) as place:
                print(f"{name:<32} {await measure(place, change, options)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
