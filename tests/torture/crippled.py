"""A reactor without one of the parts that keep the promises: with it the run has to fail.

Run as `python -m torture.crippled PART`, in place of `homing reactor`. Nothing of this is in the
reactor itself: its parts are replaced here, and then its own main function runs.

known   the look for command ids that have their outcome. Alone, and without repeats, it changes
        nothing: the control of the two that need it gone because it hides what they do
fence   epoch and checkpoint are not compared, so that whoever was replaced still commits
dedupe  the same as `known`, with repeats: a command that is stored twice takes effect twice
reset   a consumer is taken over as its last holder left it, and what comes is taken as it comes
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from nats.aio.client import Client

from homing.storage import rounds
from homing_reactor import applying
from homing_reactor.main import main
from homing_reactor.sequence import Judgement, Sequence

CONDITION = "AND p.epoch = u.epoch AND p.checkpoint = u.previous"
NO_CONDITION = "AND u.epoch IS NOT NULL AND u.previous IS NOT NULL"


def without_known() -> None:
    """Every reactor builds an applier that does not look."""
    made = applying.Applier.__init__

    def make(self: applying.Applier, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **{**named, "check_known": False})

    applying.Applier.__init__ = make  # type: ignore[method-assign]


def without_fence() -> None:
    """The statement returns every partition that it is asked for."""
    assert CONDITION in rounds._FENCE, "the fence is not what it was"
    rounds._FENCE = rounds._FENCE.replace(CONDITION, NO_CONDITION)


def without_reset() -> None:
    """The server is not asked for a reset, and a gap in what comes is not seen."""
    asked = Client.request

    async def request(self: Client, subject: str, *arguments: Any, **named: Any) -> Any:
        if subject.startswith("$JS.API.CONSUMER.RESET."):
            return SimpleNamespace(data=b"{}")
        return await asked(self, subject, *arguments, **named)

    Client.request = request  # type: ignore[method-assign]
    Sequence.judge = judge  # type: ignore[method-assign]


def judge(self: Sequence, sequence: int, consumer_sequence: int, attempt: int) -> Judgement:
    """What stands in for `Sequence.judge`."""
    if sequence <= self._last:
        return "drop"
    self._last = sequence
    return "take"


PARTS = {
    "known": (without_known,),
    "fence": (without_known, without_fence),
    "dedupe": (without_known,),
    "reset": (without_reset,),
}

if __name__ == "__main__":
    for cripple in PARTS[sys.argv[1]]:
        cripple()
    main()
