"""`POST /api/commands`: many commands in one request, one answer for each, in their order.

Items of one key are published one after another, so that the stream has them in the order of the
request; different keys go at the same time. After an item of a key that the stream did not
acknowledge, its later ones are not sent: they would overtake it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import msgspec

from homing import telemetry
from homing.errors import HomingError
from homing.log import get
from homing.outcome import Outcome, OwnerToken, now, sent
from homing.registry import Registry
from homing_api.answering import Accepted, accepted, outcome_status
from homing_api.expiring import ITEM, Expires, expires_at
from homing_api.problems import Problem, ProblemDocument, unavailable
from homing_api.receiving import JSON, Received, decode, field_error
from homing_api.spans import about
from homing_api.submitting import UNACKNOWLEDGED, Submitter
from homing_api.wrapping import Asked, Wrapped, idempotency_key, wrap

log = get(__name__)
NDJSON = "application/x-ndjson"
ITEMS_MAX = 1000
KEYS_AT_ONCE = 64


class BatchItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command of a batch."""

    type: str
    payload: msgspec.Raw
    idempotency_key: str | None = None
    expires: Expires | None = None


class ItemAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request for this item alone would have been answered."""

    status: int
    accepted: Accepted | None = None
    outcome: Outcome | None = None
    """Of a repeat whose outcome is known."""
    problem: ProblemDocument | None = None


class _Lost(NamedTuple):
    """An item that cannot be sent, and why."""

    problem: Problem
    type: str
    """As the metrics have it."""


@dataclass(frozen=True)
class Batch:
    """Submits batches."""

    registry: Registry
    submitter: Submitter
    partitions: int
    item_max_bytes: int
    deadline_seconds: float
    """Of the whole request; what is not acknowledged by then is answered 503."""
    longest: timedelta
    """How far away an expiry may lie."""

    async def submit(self, items: Sequence[bytes], owner: OwnerToken) -> list[ItemAnswer]:
        """Submit the items; their answers, in the same order."""
        read = [self._read(item, owner) for item in items]
        by_key: dict[str, list[int]] = {}
        for index, one in enumerate(read):
            if isinstance(one, Wrapped):
                by_key.setdefault(one.key, []).append(index)
        answers: dict[int, ItemAnswer] = {
            index: _refused(one.problem) for index, one in enumerate(read) if isinstance(one, _Lost)
        }
        slots = asyncio.Semaphore(KEYS_AT_ONCE)
        deadline = asyncio.get_running_loop().time() + self.deadline_seconds
        async with asyncio.TaskGroup() as group:
            for indices in by_key.values():
                mine = [(index, read[index]) for index in indices]
                group.create_task(self._one_key(mine, answers, slots, deadline))
        for index, one in enumerate(read):
            telemetry.SUBMITTED.labels(one.type, str(answers[index].status)).inc()
        return [answers[index] for index in range(len(items))]

    async def _one_key(
        self,
        items: Sequence[tuple[int, Wrapped | _Lost]],
        answers: dict[int, ItemAnswer],
        slots: asyncio.Semaphore,
        deadline: float,
    ) -> None:
        stopped = ""
        async with slots:
            for index, item in items:
                if isinstance(item, _Lost):
                    continue
                if asyncio.get_running_loop().time() >= deadline:
                    stopped = stopped or "The time of the request was up before it; not sent."
                if stopped:
                    answers[index] = _refused(unavailable(stopped, command_id=item.command_id))
                    continue
                answers[index] = await self._one(item, deadline)
                if answers[index].status == 503:
                    stopped = "An earlier command of this key was not acknowledged; not sent."

    async def _one(self, wrapped: Wrapped, deadline: float) -> ItemAnswer:
        about(wrapped)
        try:
            async with asyncio.timeout_at(deadline):
                submitted = await self.submitter.submit(wrapped, None)
        except Problem as problem:
            return _refused(problem)
        except TimeoutError:
            return _refused(unavailable(UNACKNOWLEDGED, command_id=wrapped.command_id))
        except HomingError as error:
            log.error("batch.item_failed", why=str(error))
            return _refused(unavailable("It was not submitted.", command_id=wrapped.command_id))
        if submitted.outcome is not None:
            outcome = submitted.outcome.outcome
            self.submitter.waits.told("response", outcome)
            return ItemAnswer(status=outcome_status(outcome), outcome=sent(outcome))
        return ItemAnswer(status=202, accepted=accepted(wrapped, submitted.position))

    def _read(self, item: bytes, owner: OwnerToken) -> Wrapped | _Lost:
        started, known = time.monotonic(), telemetry.UNKNOWN
        try:
            if len(item) > self.item_max_bytes:
                raise Problem(
                    413, "too-large", f"A command has at most {self.item_max_bytes} bytes."
                )
            said = _item.decode(item)
            found = self.registry.find(said.type)
            if found is None:
                raise Problem(404, "unknown-command", f"There is no command {said.type!r:.200}.")
            known, payload = said.type, bytes(said.payload)
            received = Received(decode(found[1], payload), payload)
            expires = expires_at(said.expires, now(), self.longest, ITEM)
            asked = Asked(idempotency_key(said.idempotency_key), expires=expires)
            wrapped = wrap(received, owner, self.partitions, asked)
            telemetry.observe(telemetry.STEP_SECONDS, time.monotonic() - started, "validate")
            return wrapped
        except msgspec.ValidationError as error:
            wrong = field_error(error)
            problem = Problem(422, "invalid", f"{wrong.field}: {wrong.detail}", errors=(wrong,))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = Problem(400, "malformed", f"The item is no valid JSON: {error}")
        except Problem as refused:
            problem = refused
        return _Lost(problem, known)


def split(media_type: str, body: bytes) -> list[bytes]:
    """The items of a body: a JSON array, or one JSON object on each line. Raises a 400 or 413."""
    if media_type == JSON:
        try:
            items = [bytes(item) for item in _array.decode(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "malformed", f"The body is no JSON array: {error}") from error
    else:
        items = [line for line in body.split(b"\n") if line.strip()]
    if len(items) > ITEMS_MAX:
        raise Problem(413, "too-large", f"A request has at most {ITEMS_MAX} commands.")
    return items


def _refused(problem: Problem) -> ItemAnswer:
    return ItemAnswer(status=problem.document.status, problem=problem.document)


_item = msgspec.json.Decoder(BatchItem)
_array = msgspec.json.Decoder(list[msgspec.Raw])
