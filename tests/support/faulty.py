"""A process with a fault that a test has chosen: `python -m support.faulty KIND FAULT [FLAG]`.

KIND is `api` or `reactor`; its own `main` runs, with one of its methods changed. A fault with a
FLAG happens once: the first of all processes that gets there while the file FLAG exists takes it
away. So a test arms several equal processes, and the others go on as if nothing were wrong.

Most faults are crashes, each between two steps of a command's way. The rest are the ways in which
an outcome can miss those who wait for it, and a clock that is wrong.
"""

from __future__ import annotations

import asyncio
import datetime as datetimes
import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, NoReturn, cast

from asyncpg.transaction import Transaction
from nats.aio.client import Client

import homing_api.main
import homing_reactor.main
from homing.broker import Announcer, Publisher
from homing.broker.announcing import OUTCOMES
from homing.storage.rounds import RoundTransaction
from homing_api import sweeping
from homing_api.hub import Hub
from homing_api.streams import Stream
from homing_api.submitting import Submitter
from homing_reactor.applying import Applier
from homing_reactor.lane import Lane

SKEW = "FAULTY_SKEW_SECONDS"
SLOW_SECONDS = 1.0
Method = Callable[..., Any]
Install = Callable[[], None]
Condition = Callable[[Any], bool]
flag: Path | None = None


def armed() -> bool:
    """Once, whatever the number of processes."""
    if flag is None:
        return False
    try:
        flag.unlink()
    except FileNotFoundError:
        return False
    return True


def die() -> NoReturn:
    """As if the power were cut: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it survived")


def freeze() -> None:
    """Stand still until SIGCONT comes, as a paused container or a starved machine."""
    os.kill(os.getpid(), signal.SIGSTOP)


def always(_result: Any) -> bool:
    """Whatever came of it."""
    return True


def replacing(owner: type, name: str, wrap: Callable[[Method], Method]) -> Install:
    """Replace a method by what `wrap` makes of it."""

    def install() -> None:
        setattr(owner, name, wrap(getattr(owner, name)))

    return install


def before(owner: type, name: str, happens: Callable[[], None] = die) -> Install:
    """Die, or what else, before it is done."""

    def wrap(method: Method) -> Method:
        @functools.wraps(method)
        async def dying(*said: Any, **named: Any) -> Any:
            if armed():
                happens()
            return await method(*said, **named)

        return dying

    return replacing(owner, name, wrap)


def after(owner: type, name: str, when: Condition = always) -> Install:
    """Die when it was done, with the result in hand."""

    def wrap(method: Method) -> Method:
        @functools.wraps(method)
        async def dying(*said: Any, **named: Any) -> Any:
            result = await method(*said, **named)
            if when(result) and armed():
                die()
            return result

        return dying

    return replacing(owner, name, wrap)


def routed(deliver: Method) -> Method:
    """Die when those who wait were told inside the process, and nothing was written to them."""

    def dying(hub: Hub, stored: Any) -> None:
        waited_for = hub.wanted(stored.owner, stored.outcome.command_id)
        deliver(hub, stored)
        if waited_for and armed():
            die()

    return dying


def written(passing: Method) -> Method:
    """Die when an outcome is about to be written to a stream: live, or to one that resumes."""

    def dying(stream: Stream, data: bytes) -> bytes:
        if b"event: outcome" in data and armed():
            die()
        return cast("bytes", passing(stream, data))

    return dying


def sent(attempt: Method) -> Method:
    """Die when the command has reached the server, before the ack is looked at."""

    async def dying(publisher: Publisher, *said: Any) -> Any:
        if not armed():
            return await attempt(publisher, *said)
        publishing = asyncio.ensure_future(attempt(publisher, *said))
        await asyncio.sleep(0)
        await publisher._broker.client.flush()
        die()
        return await publishing

    return dying


def ackless(attempt: Method) -> Method:
    """Publish, and lose every ack on its way back."""

    async def losing(publisher: Publisher, *said: Any) -> None:
        await attempt(publisher, *said)

    return losing


def committing(commit: Method) -> Method:
    """Die when COMMIT was sent, before it is answered."""

    async def dying(transaction: Any) -> None:
        if armed():
            committing = asyncio.ensure_future(commit(transaction))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # what was written leaves at the end of the loop's turn
            die()
            await committing
        await commit(transaction)

    return dying


def commit_unanswered(commit: Method) -> Method:
    """Commit, and lose the connection before the answer."""

    async def losing(transaction: Any) -> None:
        await commit(transaction)
        if armed():
            transaction._connection.terminate()
            raise ConnectionResetError("lost")

    return losing


def commit_lost(commit: Method) -> Method:
    """Lose the connection, and COMMIT with it."""

    async def losing(transaction: Any) -> None:
        if armed():
            transaction._connection.terminate()
            raise ConnectionResetError("lost")
        await commit(transaction)

    return losing


Said = Iterable[tuple[str, str, bytes]]


def half_told(outcomes: Method) -> Method:
    """Die when half of a round is announced."""

    async def dying(announcer: Announcer, said: Said) -> None:
        all_of_it = list(said)
        if len(all_of_it) < 2 or not armed():
            return await outcomes(announcer, all_of_it)
        await outcomes(announcer, all_of_it[: len(all_of_it) // 2])
        await announcer.flush(2)
        return die()

    return dying


def flushed(method: Method) -> Method:
    """What was said before has left, so that it is this method's effect alone that is lost."""

    async def dying(announcer: Announcer, *said: Any) -> None:
        if armed():
            await announcer.flush(2)
            die()
        await method(announcer, *said)

    return dying


def acknowledged(applied: Method) -> Method:
    """Die when the delivery is acknowledged."""

    async def dying(announcer: Announcer, reply: str) -> None:
        await applied(announcer, reply)
        if armed():
            await announcer.flush(2)
            die()

    return dying


def slow(apply: Method) -> Method:
    """Take a second more for each round, before its transaction; the flag goes with the first."""

    async def slowed(applier: Applier, *said: Any) -> Any:
        armed()
        await asyncio.sleep(SLOW_SECONDS)
        return await apply(applier, *said)

    return slowed


def mute(_outcomes: Method) -> Method:
    """Announce nothing, ever."""

    async def nothing(_announcer: Announcer, _said: Said) -> None:
        return None

    return nothing


def deaf(announced: Method) -> Method:
    """Hear no announcement, ever."""

    def nothing(*_said: Any) -> None:
        return None

    return functools.wraps(announced)(nothing)


def narrow(subscribe: Method) -> Method:
    """Give the subscription of outcomes room for a single message: the next one is dropped."""

    async def narrowed(client: Client, subject: str, **named: Any) -> Any:
        limit = {"pending_msgs_limit": 1} if subject.startswith(OUTCOMES) else {}
        return await subscribe(client, subject, **named, **limit)

    return narrowed


def unswept() -> None:
    """Sweep once and never again: what is told was announced, or was asked for."""
    sweeping.PACE_SECONDS = 3600.0


def skewed() -> None:
    """Let the wall clock be wrong by `FAULTY_SKEW_SECONDS`; what measures spans is not."""
    seconds = float(os.environ[SKEW])
    right, right_type = time.time, datetimes.datetime

    class Skewed(right_type):  # type: ignore[misc, valid-type]
        """A `datetime` that reads the wrong clock."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetimes.datetime:
            """The wrong time, as a value like any other."""
            return right_type.now(tz) + timedelta(seconds=seconds)

    time.time = lambda: right() + seconds
    for name, module in list(sys.modules.items()):
        if name.startswith("homing") and getattr(module, "datetime", None) is right_type:
            module.datetime = Skewed  # type: ignore[attr-defined]


REACTOR_CRASHES: dict[str, Install] = {
    "delivered": before(Lane, "_round"),
    "fenced": after(RoundTransaction, "fence", bool),
    "decided": before(Applier, "_save"),
    "written": after(Applier, "_save"),
    "committing": replacing(Transaction, "commit", committing),
    "committed": before(Lane, "_tell"),
    "half-told": replacing(Announcer, "outcomes", half_told),
    "told": replacing(Announcer, "applied", flushed),
    "acknowledged": replacing(Announcer, "applied", acknowledged),
}
COMMIT_DOUBTS: dict[str, Install] = {
    "commit-unanswered": replacing(Transaction, "commit", commit_unanswered),
    "commit-lost": replacing(Transaction, "commit", commit_lost),
}
API_CRASHES: dict[str, Install] = {
    "sent": replacing(Publisher, "_attempt", sent),
    "stored": after(Submitter, "_store"),
    "accepting": after(Submitter, "submit", lambda submitted: submitted.outcome is None),
    "answering": after(Submitter, "submit", lambda submitted: submitted.outcome is not None),
    "routed": replacing(Hub, "deliver", routed),
    "writing": replacing(Stream, "passing", written),
}
FREEZES: dict[str, Install] = {
    "frozen-delivered": before(Lane, "_round", freeze),
    "frozen-decided": before(Applier, "_save", freeze),
    "frozen-committed": before(Lane, "_tell", freeze),
}
HINDRANCES: dict[str, Install] = {
    "ackless": replacing(Publisher, "_attempt", ackless),
    "mute": replacing(Announcer, "outcomes", mute),
    "deaf": replacing(Hub, "announced", deaf),
    "narrow": replacing(Client, "subscribe", narrow),
    "unswept": unswept,
    "skewed": skewed,
    "slow": replacing(Applier, "apply", slow),
}
FAULTS = FREEZES | REACTOR_CRASHES | COMMIT_DOUBTS | API_CRASHES | HINDRANCES


def main(kind: str, fault: str, flag_file: str | None = None) -> None:
    """Run the process with its fault."""
    global flag  # the program's own argument
    flag = Path(flag_file) if flag_file else None
    FAULTS[fault]()
    {"api": homing_api.main.main, "reactor": homing_reactor.main.main}[kind]()


if __name__ == "__main__":
    main(*sys.argv[1:])
