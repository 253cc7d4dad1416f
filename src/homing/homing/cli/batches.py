"""`homing send --file …`: many commands from a file, with a progress bar, until all are home.

Each command has an idempotency key, so that what was not acknowledged is simply sent again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from homing.cli.calling import (
    BAD_INPUT,
    Answer,
    CliError,
    Homing,
    Refused,
    Unreachable,
    problem,
)
from homing.cli.following import STREAM, heard
from homing.cli.sending import BadInput
from homing.cli.showing import BY_STATUS, Output, show

CHUNK = 500
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Batch:
    """What the command line said."""

    file: Path
    type: str | None
    wait_seconds: float
    output: Output
    expires: str | None = None
    """Of each item that says nothing itself."""


async def send_all(homing: Homing, batch: Batch) -> int:
    """Send all, wait for all, print each outcome; the exit code is the worst verdict's."""
    items = list(read(batch.file, batch.type, batch.expires))
    verdicts: Counter[str] = Counter()
    waiting: set[str] = set()
    with _bar() as bar:
        try:
            async with asyncio.timeout(batch.wait_seconds or None):
                cursor = await _cursor(homing)
                await _send(homing, items, bar, verdicts, waiting)
                home = bar.add_task("home", total=len(waiting))
                wanted = waiting if batch.wait_seconds else set()
                async with aclosing(_until(homing, cursor, wanted)) as coming:
                    async for outcome in coming:
                        verdicts[outcome["status"]] += 1
                        bar.advance(home)
                        show(outcome, batch.output, lines=True)
        except TimeoutError:
            print(f"homing: not done after {batch.wait_seconds:g} s", file=sys.stderr)
    verdicts["pending"] = len(waiting)
    verdicts["unsent"] = len(items) - sum(verdicts.values())
    said = ", ".join(f"{count} {name}" for name, count in verdicts.items() if count)
    print(f"homing: {len(items)} commands: {said or 'none'}", file=sys.stderr)
    return _exit_code(verdicts)


def read(
    file: Path, command_type: str | None, expires: str | None = None
) -> Iterator[dict[str, Any]]:
    """The items of a file of JSON lines; with a type, each line is a payload.

    Raises `BadInput`, naming the line.
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--file {file}: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except ValueError as error:
            raise BadInput(f"--file {file}, line {number} is not valid JSON: {error}") from error
        item = {"type": command_type, "payload": said} if command_type else said
        if not isinstance(item, dict) or "payload" not in item or "type" not in item:
            wanted = '{"type": …, "payload": …}, or give the TYPE of all'
            raise BadInput(f"--file {file}, line {number} has to be {wanted}")
        more = {} if expires is None else {"expires": expires}
        yield {"idempotency_key": str(uuid.uuid4()), **more, **item}


async def _send(
    homing: Homing,
    items: list[dict[str, Any]],
    bar: Progress,
    verdicts: Counter[str],
    waiting: set[str],
) -> None:
    """Send in chunks, again what was not acknowledged; `waiting` gets the ids of the accepted."""
    task = bar.add_task("accepted", total=len(items))
    left = list(items)
    while left:
        chunk, left = left[:CHUNK], left[CHUNK:]
        again = []
        for item, answer in zip(chunk, await _post(homing, chunk), strict=True):
            if answer["status"] == 503:
                again.append(item)
                continue
            bar.advance(task)
            if known := answer.get("accepted") or answer.get("outcome"):
                waiting.add(known["command_id"])
            else:
                verdicts["refused"] += 1
                _complain(item, answer)
        left = again + left  # before all others, so that the order of each key stays
        if again:
            await asyncio.sleep(RETRY_SECONDS)


async def _post(homing: Homing, chunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        answer = await homing.call("POST", "/api/commands", json=chunk)
    except Unreachable:
        return [{"status": 503}] * len(chunk)
    if answer.status in (502, 503):
        return [{"status": 503}] * len(chunk)
    if answer.status != 200:
        raise Refused(answer)
    answers: list[dict[str, Any]] = answer.body
    return answers


async def _cursor(homing: Homing) -> str | None:
    """Where this session's outcomes stand, before anything is sent."""
    async with aclosing(homing.events(STREAM)) as events:
        async for event in events:
            if event.id:
                return event.id
    return None


async def _until(
    homing: Homing, cursor: str | None, waiting: set[str]
) -> AsyncGenerator[dict[str, Any], None]:
    """The outcomes of those that wait, which leave `waiting` as they come."""
    if not waiting:
        return
    async with aclosing(heard(homing, cursor)) as coming:
        async for outcome in coming:
            if outcome["command_id"] in waiting:
                waiting.discard(outcome["command_id"])
                yield outcome
            if not waiting:
                return


def _complain(item: dict[str, Any], answer: dict[str, Any]) -> None:
    said = problem(Answer(answer["status"], answer.get("problem")))
    print(f"homing: {json.dumps(item['payload'])[:80]}: {said}", file=sys.stderr)


def _exit_code(verdicts: Counter[str]) -> int:
    if verdicts["refused"]:
        return BAD_INPUT
    if verdicts["unsent"]:
        return CliError.exit_code
    for status in ("failed", "rejected", "pending"):
        if verdicts[status]:
            return BY_STATUS[status]
    return 0


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(),
    )  # fmt: skip
