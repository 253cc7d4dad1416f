"""Looking for earlier commands: many at once, one query; nobody's trouble is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from homing.errors import StorageUnavailable
from homing.identity import new_command_id
from homing.outcome import CommandId, Stored
from homing_api.repeats import IDS_AT_ONCE, QUERIES_AT_ONCE, Repeats
from support.rows import made, somebody

ME = somebody("me")


class Outcomes:
    """Notes what is asked in one query; answers once it may."""

    def __init__(self, *stored: Stored) -> None:
        self.stored = {one.outcome.command_id: one for one in stored}
        self.queries: list[int] = []
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def read(self, command_ids: Sequence[str]) -> list[Stored]:
        """Those that are known."""
        self.queries.append(len(command_ids))
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return [self.stored[one] for one in command_ids if one in self.stored]


def looking(outcomes: Any, ids: Sequence[CommandId]) -> list[asyncio.Task[Stored | None]]:
    """A look for each, all at the same time."""
    repeats = Repeats(outcomes)
    return [asyncio.create_task(repeats.find(one)) for one in ids]


async def test_all_who_ask_at_once_are_answered_by_few_queries() -> None:
    """Each with its own outcome, or none."""
    known = [made(ME) for _ in range(3)]
    ids = [new_command_id() for _ in range(2 * IDS_AT_ONCE)]
    ids[::700] = [CommandId(one.outcome.command_id) for one in known[:2]]
    outcomes = Outcomes(*known)
    tasks = looking(outcomes, ids)
    outcomes.may_answer.set()
    found = await asyncio.gather(*tasks)
    assert [one for one in found if one] == known[:2]
    assert found[0] == known[0]
    assert sum(outcomes.queries) == len(ids)
    assert len(outcomes.queries) <= 2 + QUERIES_AT_ONCE


async def test_whoever_leaves_takes_the_answer_from_nobody() -> None:
    """A client that is gone is one of many."""
    one = made(ME)
    outcomes = Outcomes(one)
    leaves, stays = looking(outcomes, [CommandId(one.outcome.command_id)] * 2)
    await asyncio.sleep(0)
    leaves.cancel()
    outcomes.may_answer.set()
    assert await stays == one


async def test_an_error_is_told_to_all_who_asked_and_the_next_ask_anew() -> None:
    """Each decides for itself what to do without an answer."""
    one = made(ME)
    outcomes = Outcomes(one)
    outcomes.error = StorageUnavailable("away")
    outcomes.may_answer.set()
    repeats, mine = Repeats(outcomes), CommandId(one.outcome.command_id)  # type: ignore[arg-type]
    asked = await asyncio.gather(repeats.find(mine), repeats.find(mine), return_exceptions=True)
    assert [type(answer) for answer in asked] == [StorageUnavailable] * 2
    outcomes.error = None
    assert await repeats.find(mine) == one


@pytest.mark.parametrize("count", [1, 3])
async def test_a_lone_question_does_not_wait_for_company(count: int) -> None:
    """It is asked at once."""
    outcomes = Outcomes()
    outcomes.may_answer.set()
    assert await asyncio.gather(*looking(outcomes, [new_command_id()] * count)) == [None] * count
    assert outcomes.queries == [1]
