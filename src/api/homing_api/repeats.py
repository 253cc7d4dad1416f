"""Has a command been sent before? All who ask at the same time are answered by one query.

A batch has up to a thousand items with keys of their own, and every submit with a key asks. While a
query runs, those who come gather for the next one.
"""

from __future__ import annotations

import asyncio

from homing.errors import HomingError
from homing.outcome import CommandId, Stored
from homing.storage import OutcomeReading

QUERIES_AT_ONCE = 2
IDS_AT_ONCE = 500


class _Question:
    """What is asked together."""

    def __init__(self) -> None:
        self.ids: set[CommandId] = set()
        self.answer: asyncio.Future[dict[str, Stored] | HomingError] = (
            asyncio.get_running_loop().create_future()
        )


class Repeats:
    """Looks for the outcomes of commands that may have been sent before."""

    def __init__(self, outcomes: OutcomeReading) -> None:
        self._outcomes = outcomes
        self._turn = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._gathering: _Question | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def find(self, command_id: CommandId) -> Stored | None:
        """The outcome of an earlier command of this id. Raises what the store raises."""
        question = self._gathering
        if question is None or len(question.ids) >= IDS_AT_ONCE:
            question = self._gathering = _Question()
            task = asyncio.create_task(self._ask(question))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        question.ids.add(command_id)
        answer = await asyncio.shield(question.answer)  # it is the others' as well
        if isinstance(answer, HomingError):
            raise answer
        return answer.get(command_id)

    async def _ask(self, question: _Question) -> None:
        async with self._turn:
            if self._gathering is question:
                self._gathering = None
            try:
                found = await self._outcomes.read(sorted(question.ids))
                question.answer.set_result({one.outcome.command_id: one for one in found})
            except HomingError as error:
                question.answer.set_result(error)
            except BaseException:
                question.answer.cancel()
                raise
