"""Traces around the work of a process, if its environment asks for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from homing.tracing.settings import Tracing


async def recorded(asked: Tracing | None, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, with its traces exported if that is asked for."""
    if asked is None:
        await work()
        return
    from homing.tracing.exporting import exporting  # noqa: PLC0415  # the SDK costs who wants it

    async with exporting(asked):
        await work()
