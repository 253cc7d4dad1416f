"""What past rounds tell about the next: how many commands, and which types are slow. Pure.

A failing command costs its whole round, and a slow round delays all partitions in it: so rounds
shrink at once and grow slowly. (With a fixed size, 1 % of bad commands under backlog gave a median
of 2,054 ms instead of 66.)
"""

from __future__ import annotations

from collections.abc import Mapping

from homing_reactor.forming import Caps

SLOW_ROUND_SECONDS, FAST_ROUND_SECONDS = 0.2, 0.1
LEAST, MORE = 8, 16
SLOW_TYPE_SECONDS = 0.05
FORGETTING = 0.9


class Pace:
    """How many commands the next round over many partitions may hold."""

    def __init__(self, caps: Caps) -> None:
        self._most = caps.commands
        self.caps = caps

    def committed(self, seconds: float) -> None:
        """A round took so long."""
        if seconds > SLOW_ROUND_SECONDS:
            self._set(self.caps.commands // 2)
        elif seconds < FAST_ROUND_SECONDS:
            self._set(self.caps.commands + MORE)

    def failed(self, commands: int) -> None:
        """A round of so many commands was not committed."""
        self._set(commands // 2)

    def _set(self, commands: int) -> None:
        self.caps = self.caps._replace(commands=min(self._most, max(LEAST, commands)))


class Costs:
    """How long the domain's functions take, by command type."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, seconds: Mapping[str, float]) -> None:
        """The longest that a command of each type took in a round. A spike is soon forgotten."""
        for command_type, spent in seconds.items():
            known = self._seconds.get(command_type, 0.0) * FORGETTING
            self._seconds[command_type] = max(known, spent)

    def of(self, command_type: str) -> float:
        """The seconds that a command of this type may well take; 0 if nothing is known."""
        return self._seconds.get(command_type, 0.0)

    def slow(self, command_type: str) -> bool:
        """Whether a command of this type should not be in a round with others."""
        return self.of(command_type) > SLOW_TYPE_SECONDS
