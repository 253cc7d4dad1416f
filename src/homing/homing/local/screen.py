"""Where `homing up` speaks: one line at a time, each with the name of who says it."""

from __future__ import annotations

import asyncio
import os
from typing import TextIO

from homing.local import logview

OURSELVES = "homing"


class Screen:
    """The combined output. Stays silent, not broken, when nobody reads any more."""

    def __init__(self, stream: TextIO, coloured: bool | None = None) -> None:
        """Colour only on a terminal, and never with NO_COLOR (https://no-color.org)."""
        self._stream = stream
        wanted = stream.isatty() and not os.environ.get("NO_COLOR")
        self._coloured = wanted if coloured is None else coloured
        self._names: dict[str, int] = {}
        self._lines = 0
        self._closed = False

    def say(self, text: str) -> None:
        """A line of our own."""
        self.line(OURSELVES, text)

    def line(self, name: str, text: str) -> None:
        """A line of the process `name`."""
        order = self._names.setdefault(name, len(self._names))
        colour = logview.colour_of(order) if self._coloured else None
        self.bare(logview.render(name, text, colour))

    def bare(self, text: str) -> None:
        """A line without a name."""
        self._lines += 1
        if self._closed:
            return
        try:
            print(text, file=self._stream, flush=True)
        except (BrokenPipeError, ValueError):  # the reader is gone, which must not stop us
            self._closed = True

    async def until_quiet(self, calm_seconds: float = 0.2, most_seconds: float = 2.0) -> None:
        """Return once nothing was said for a moment, so that what comes next stands last."""
        loop = asyncio.get_running_loop()
        end = loop.time() + most_seconds
        before = -1
        while before != self._lines and loop.time() < end:
            before = self._lines
            await asyncio.sleep(calm_seconds)
