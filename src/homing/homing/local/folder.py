"""The data folder of `homing up`: one owner at a time, ours or empty, with what must be kept.

.homing/
  homing-data        says that the folder is Homing's, so that --fresh may delete in it
  lock               held for as long as somebody runs here; says who
  secrets.json       the keys that sign sessions
  nats/, postgres/   the servers' data
  env, env.*         what `homing infra` tells the other terminals
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from homing.local.private import Secrets
from homing.local.trouble import FolderTrouble

MARK = "homing-data"
SERVERS = ("nats", "postgres")


class DataFolder:
    """A folder that is ours for the length of `held`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def nats(self) -> Path:
        """The NATS server's folder."""
        return self.path / "nats"

    @property
    def postgres(self) -> Path:
        """The Postgres server's folder."""
        return self.path / "postgres"

    @property
    def session_key(self) -> str:
        """The key that signs sessions here, made once."""
        return Secrets(self.path / "secrets.json")["session"]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder if need be and keep all others out.

        Raises `FolderTrouble` if it is not ours, or naming who holds it. The kernel frees the lock
        when the process ends, however it ends.
        """
        self._claim()
        with (self.path / "lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderTrouble(f"{self.path} is in use by {_holder(lock.name)}.") from None
            self.note("")
            yield

    def note(self, url: str) -> None:
        """Say in the lock who holds it and where it serves, for the next who comes."""
        text = json.dumps({"pid": os.getpid(), "url": url})
        (self.path / "lock").write_text(text, "utf-8")

    def delete_servers_data(self) -> None:
        """Forget everything that NATS and Postgres stored; keys are kept."""
        for name in SERVERS:
            if (self.path / name).exists():
                shutil.rmtree(self.path / name)

    def _claim(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not (self.path / MARK).exists():
                if any(self.path.iterdir()):
                    raise FolderTrouble(
                        f"{self.path} holds files that are not Homing's. Name another with --data."
                    )
                (self.path / MARK).write_text("Data of `homing up`; `--fresh` deletes it.\n")
            (self.path / "lock").touch(mode=0o600)
        except OSError as error:
            raise FolderTrouble(f"{self.path}: {error.strerror}") from error


def _holder(lock: str) -> str:
    try:
        said = json.loads(Path(lock).read_text("utf-8"))
        where = f", which serves {said['url']}" if said["url"] else ""
        return f"another Homing (pid {said['pid']}{where}); stop it, or name another with --data"
    except (OSError, ValueError, KeyError, TypeError):
        return "another Homing"
