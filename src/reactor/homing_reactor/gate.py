"""Lets many rounds run at once, or a single one alone.

A command that may end its process runs alone: else its death would be blamed on what ran beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Whoever wants to be alone goes before all who come later."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside = 0
        self._loners = 0

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Inside with others."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._loners)
            self._inside += 1
        try:
            yield
        finally:
            await self._leave()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Inside with nobody else."""
        async with self._changed:
            self._loners += 1
            try:
                await self._changed.wait_for(lambda: not self._inside)
                self._inside += 1
            except BaseException:
                self._loners -= 1
                self._changed.notify_all()
                raise
        try:
            yield
        finally:
            self._loners -= 1
            await self._leave()

    async def _leave(self) -> None:
        async with self._changed:
            self._inside -= 1
            self._changed.notify_all()
