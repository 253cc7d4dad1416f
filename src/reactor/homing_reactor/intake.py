"""What a delivery is: a command ready to be applied, one that must wait, or one that cannot be.

Pure. Bytes that no reactor will ever read are condemned at once; an unknown type, a newer
envelope or a newer payload may belong to a newer reactor that is just being rolled out, and waits
for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from homing import envelope as envelopes
from homing.broker import Delivery
from homing.commands import TYPE_PATTERN, Command
from homing.domain import Domain
from homing.envelope import Envelope
from homing.identity import trace_id
from homing.partition import partition_of, subject_of
from homing.registry import Registry

PATIENCE = timedelta(minutes=10)
DELAY_MAX_SECONDS = 5.0
PAST_SECONDS = 0.01  # so that what waited for its expiry is decided after it, not a hair before


_OF_KNOWN_TYPES = ("newer-payload", "invalid-payload")


class Fault(NamedTuple):
    """Why a delivery cannot be applied: a stable type, and words."""

    type: str
    detail: str


class Task(NamedTuple):
    """A delivery, read."""

    delivery: Delivery
    envelope: Envelope | None
    domain: Domain | None = None
    command: Command | None = None
    fault: Fault | None = None
    wait_seconds: float = 0.0
    """How long to hold it, and its partition with it, from its arrival."""
    traceparent: str = ""
    """The span in which it is applied; empty if nobody records it."""

    @property
    def type_known(self) -> bool:
        """Whether a domain here has a command of its type."""
        found = self.fault is not None and self.fault.type in _OF_KNOWN_TYPES
        return found or self.domain is not None


class Waiting(NamedTuple):
    """A task, and from when on it may be applied (monotonic)."""

    task: Task
    due: float


class Intake:
    """Reads deliveries of commands."""

    def __init__(self, registry: Registry, partitions: int, *, demo: bool) -> None:
        self._registry = registry
        self._partitions = partitions
        self._demo = demo

    def read(self, partition: int, delivery: Delivery) -> Task:
        """Never raises: what is wrong with the delivery is in the task."""
        task = self._task(partition, delivery)
        return task._replace(wait_seconds=min(task.wait_seconds, _left(task)))

    def _task(self, partition: int, delivery: Delivery) -> Task:
        try:
            envelope = envelopes.decode(delivery.body)
        except envelopes.Unreadable as error:
            return Task(delivery, None, fault=Fault("unreadable", str(error)))
        except envelopes.Newer as error:
            fault = Fault("newer-envelope", str(error))
            return Task(delivery, None, fault=fault, wait_seconds=_patience(delivery))
        return self._command(partition, delivery, envelope)

    def _command(self, partition: int, delivery: Delivery, envelope: Envelope) -> Task:
        if partition_of(
            envelope.key, self._partitions
        ) != partition or delivery.subject != subject_of(envelope.type, partition):
            fault = Fault("misplaced", f"{envelope.type} of this key does not belong here")
            return Task(delivery, envelope, fault=fault)
        found = self._registry.find(envelope.type)
        if found is None:
            fault = Fault("unknown-type", f"no domain has a command {envelope.type}")
            return Task(delivery, envelope, fault=fault, wait_seconds=_patience(delivery))
        domain, decoder = found
        if envelope.schema_version > (known := decoder.type.schema_version):
            detail = f"version {envelope.schema_version} of {envelope.type}, known up to {known}"
            fault = Fault("newer-payload", detail)
            return Task(delivery, envelope, fault=fault, wait_seconds=_patience(delivery))
        try:
            command = decoder.decode(envelope.payload)
            # What a replay creates has the key that it would have had at first.
            key = command.key(envelope.replays or envelope.id)
        except Exception as error:  # its types are the domain's own code, and may raise whatever
            return Task(delivery, envelope, fault=Fault("invalid-payload", _said(error)))
        if key != envelope.key:
            return Task(delivery, envelope, fault=Fault("misplaced", "the payload has another key"))
        return Task(delivery, envelope, domain, command, None, self._delay(delivery, envelope))

    def _delay(self, delivery: Delivery, envelope: Envelope) -> float:
        """The simulated delay that is left: it counts from the stream's time, not from a claim."""
        if not self._demo or not envelope.delay_seconds:
            return 0.0
        spent = (delivery.received_at - delivery.published_at).total_seconds()
        return min(DELAY_MAX_SECONDS, max(0.0, envelope.delay_seconds - spent))


def _said(error: Exception) -> str:
    known = isinstance(error, (msgspec.DecodeError, RecursionError))
    said = str(error) if known else f"{type(error).__name__}: {error}"
    return said.encode(errors="replace").decode()


def about(task: Task) -> dict[str, Any]:
    """What a log line says of one that cannot be applied yet; of its type only what can be one."""
    said: dict[str, Any] = {"sequence": task.delivery.sequence}
    if task.fault is not None:
        said["reason"] = task.fault.type
    if (envelope := task.envelope) is not None:
        said |= {"command_id": envelope.id, "trace_id": trace_id(envelope.traceparent)}
        if TYPE_PATTERN.fullmatch(envelope.type):
            said |= {"type": envelope.type, "schema_version": envelope.schema_version}
    return said


def _left(task: Task) -> float:
    """Until it expires: nothing waits longer than it is wanted."""
    if task.envelope is None or task.envelope.expires_at is None:
        return float("inf")
    left = task.envelope.expires_at - task.delivery.received_at
    return max(0.0, left.total_seconds() + PAST_SECONDS)


def _patience(delivery: Delivery) -> float:
    left = delivery.published_at + PATIENCE - delivery.received_at
    return min(PATIENCE.total_seconds(), max(0.0, left.total_seconds()))
