"""Who the command line is to Homing: the anonymous session's cookie, kept per address.

Without it the outcome of a command could be asked for only by the run that sent it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homing.local.private import write_private

COOKIE = "homing_session"


def default_file() -> Path:
    """Below `$XDG_STATE_HOME` (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "homing" / "sessions.json"


class KeptSession:
    """The cookie of one address, in a file that only its owner can read."""

    def __init__(self, url: str, file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._file = file or default_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the file, or two first calls at once would begin two sessions.

        A folder that cannot be written to costs only the memory.
        """
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._file.with_suffix(".lock").open("w")
        except OSError:
            yield
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self) -> str | None:
        """The cookie, if there is one."""
        cookie = self._all().get(self._url)
        return cookie if isinstance(cookie, str) else None

    def keep(self, cookie: str) -> None:
        """Remember it, if that can be done."""
        if cookie == self.read():
            return
        try:
            write_private(self._file, json.dumps({**self._all(), self._url: cookie}))
        except OSError:
            return

    def _all(self) -> dict[str, object]:
        try:
            kept = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}
