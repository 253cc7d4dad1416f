"""What is known of the deaths of a partition's holders. Pure.

A command that takes its process down (out of memory, a crash in C) would take one reactor after
another. After two deaths without a commit between them the partition is applied one command at a
time, alone in its process, and which one it is gets recorded first. The command that was recorded
when three more died is condemned. Any commit of the partition clears all of it.
"""

from __future__ import annotations

from typing import NamedTuple

CAREFUL_FROM = 2
DEATHS_MAX = 3


class Peril(NamedTuple):
    """As the claim of the partition found it."""

    deaths: int = 0
    """Holders that died since its last commit."""
    suspect: int | None = None
    """The sequence of the command that was about to be applied."""
    suspect_deaths: int = 0
    """Holders that died while it was the suspect."""

    @property
    def deadly(self) -> bool:
        """Whether the next command has to run alone."""
        return self.deaths >= CAREFUL_FROM

    def condemns(self, sequence: int) -> bool:
        """Whether a command has taken too many with it."""
        return self.suspect == sequence and self.suspect_deaths >= DEATHS_MAX


SAFE = Peril()
