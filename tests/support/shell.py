"""The command line as a person runs it: a process with an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any, NamedTuple


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs `homing` with settings of its own."""

    def __init__(self, **environ: str) -> None:
        self._environ = {**os.environ, **environ}

    async def start(
        self, *words: str, stdout: int = asyncio.subprocess.PIPE
    ) -> asyncio.subprocess.Process:
        """A command that goes on."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "homing", *words, env=self._environ,
            stdin=asyncio.subprocess.PIPE, stdout=stdout, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *words: str, given: str = "") -> Ran:
        """A command to its end."""
        process = await self.start(*words)
        out, err = await asyncio.wait_for(process.communicate(given.encode()), 40)
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode or 0, out.decode(), err.decode())
