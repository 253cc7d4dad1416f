"""`homing migrate` in a pod that is being deleted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from homing.local import ports


async def test_a_signal_ends_a_migration_that_waits() -> None:
    """At once and with an error, not after the grace period; nothing was done."""
    nowhere = f"127.0.0.1:{ports.free()[0]}"
    environ = {
        **os.environ,
        "HOMING_NATS_URL": f"nats://{nowhere}",
        "HOMING_POSTGRES_URL": f"postgresql://homing@{nowhere}/homing",
        "HOMING_WAIT_SECONDS": "60",
    }
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homing", "migrate"), env=environ, stderr=asyncio.subprocess.PIPE
    )
    assert running.stderr is not None
    assert b"start.waiting" in await asyncio.wait_for(running.stderr.readline(), 20)
    running.send_signal(signal.SIGTERM)
    _, said = await asyncio.wait_for(running.communicate(), 5)
    assert running.returncode == 1
    assert b"stopped before it was done" in said
