"""Submitting a command, alone or with others, again and again until it is answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import msgspec

from torture import answers
from torture.answers import Answer
from torture.history import Log, Sent, Trouble
from torture.reaching import Reaching, Unreachable
from torture.wire import idempotency_key, item_of, payload_of

WAIT_SECONDS = 3
PAUSE_SECONDS = (0.05, 0.3)


class Owner:
    """A session, and what it waits for."""

    def __init__(self, number: int, cookie: str) -> None:
        self.number = number
        self.headers = {"Cookie": cookie}
        self.due: list[Sent] = []


Answered = Callable[[Owner, Sent, Answer, int], None]
"""Takes each answer, with the number of tries that it took."""


class Sender:
    """Sends until there is an answer, to whichever API."""

    def __init__(self, reaching: Reaching, log: Log, seed: int) -> None:
        self._reaching = reaching
        self._log = log
        self._dice = random.Random(f"sending {seed}")

    async def batch(self, owner: Owner, due: Sequence[Sent], answered: Answered) -> None:
        """Send many at once; those that are not answered again, together."""
        now, tries = self._log.now, 0
        left = [msgspec.structs.replace(sent, t=now) for sent in due]
        for sent in left:
            self._log.write(sent)
        while left:
            tries += 1
            body = b"[" + b",".join(item_of(sent) for sent in left) + b"]"
            try:
                status, said = await self._reaching.post("/api/commands", body, owner.headers)
                if status != 200:
                    raise Unreachable(f"{status}: {said[:200]!r}")
                found = [answers.of_item(item) for item in answers.items.decode(said)]
            except Unreachable as error:
                await self._again(str(error), len(left))
                continue
            again = []
            for sent, answer in zip(left, found, strict=True):
                if answer.again:
                    again.append(sent)
                else:
                    answered(owner, sent, answer, tries)
            if again:
                why = found[-1].said or "some of a batch"
                await self._again(why, len(again))
            left = again

    async def submit(self, owner: Owner, sent: Sent) -> tuple[Answer, int]:
        """Until it is answered; the answer, and how often it took."""
        headers = {**owner.headers, "Idempotency-Key": idempotency_key(sent)}
        if sent.way == "wait":
            headers["Prefer"] = f"wait={WAIT_SECONDS}"
        path, tries = f"/api/commands/chains.{sent.kind}", 0
        while True:
            tries += 1
            try:
                status, said = await self._reaching.post(path, payload_of(sent), headers)
                answer = answers.of_submit(status, said)
                if not answer.again:
                    return answer, tries
                why = answer.said
            except Unreachable as error:
                why = str(error)
            await self._again(why, 1)

    async def _again(self, why: str, commands: int) -> None:
        self._log.write(Trouble(t=self._log.now, why=why, commands=commands))
        await asyncio.sleep(self._dice.uniform(*PAUSE_SECONDS))
