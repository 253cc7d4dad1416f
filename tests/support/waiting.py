"""Waiting for what has no event: a row, a message, a process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    condition: Callable[[], Awaitable[T] | T], seconds: float = 20, pause: float = 0.02
) -> T:
    """The first true value of `condition`. Fails with its source after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert loop.time() < deadline, f"waited {seconds} s for {_said(condition)}"
        await asyncio.sleep(pause)


def _said(condition: Callable[..., object]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except TypeError:
        return repr(condition)
