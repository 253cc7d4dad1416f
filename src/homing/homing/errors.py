"""The one tree of errors. A class's docstring is the start of its message.

A business rejection is never here: it is a value (`homing.domain.Rejected`). What is transient and
what is permanent for a command is decided in `homing_reactor.failure` alone.
"""

from __future__ import annotations

WAY_ON = "stop the reactors, then run `homing migrate --adopt-stream`: docs/operations.md says how"
"""What is to be done when the stream is not the one that the database knows."""


class HomingError(Exception):
    """Something went wrong."""

    def __init__(self, detail: str = "") -> None:
        said = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{said} {detail}".strip())
        self.detail = detail

    @property
    def brief(self) -> str:
        """What may be logged of it: nothing that a client sent."""
        return str(self)


class SettingsError(HomingError):
    """The settings cannot be used:"""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


class DomainError(HomingError):
    """A domain cannot be used:"""


class Unavailable(HomingError):
    """A server that Homing needs does not answer."""


class BrokerUnavailable(Unavailable):
    """NATS does not answer."""


class StreamFull(BrokerUnavailable):
    """The stream of commands is full."""


class StorageUnavailable(Unavailable):
    """Postgres does not answer."""


class LagUnknown(Unavailable):
    """How much is unapplied cannot be said:"""


class TopologyMismatch(HomingError):
    """The stream, the database and the settings do not belong together:"""


class ReactorsRunning(HomingError):
    """A stream can be adopted only while no reactor runs:"""


class NotMigrated(HomingError):
    """`homing migrate` has not run yet:"""


class SchemaMismatch(HomingError):
    """The database's schema is not the one that this version needs:"""


class TooLarge(HomingError):
    """The message is too large."""
