"""A reactor that dies once between the commit and the announcement of a round.

Run as `python -m support.dying_reactor FLAG`: the first of all reactors that has committed a round
while the file FLAG exists takes it away and kills itself with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from homing_reactor.applying import Applied
from homing_reactor.forming import Batch
from homing_reactor.held import Held
from homing_reactor.lane import Lane
from homing_reactor.main import main

FLAG = Path(sys.argv[1])
tell = Lane._tell


def die_if_told() -> None:
    """Once, whatever the number of reactors."""
    if FLAG.exists():
        FLAG.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


async def die_or_tell(self: Lane, batches: Sequence[Batch[Held]], applied: Applied) -> None:
    """What stands in for `Lane._tell`."""
    die_if_told()
    await tell(self, batches, applied)


Lane._tell = die_or_tell  # type: ignore[method-assign]
main()
