"""Whose account Postgres runs under: ours, or another one when we are root, which it refuses."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from homing.local.trouble import FolderTrouble, LocalTrouble

ROOT = 0


@dataclass(frozen=True)
class Account:
    """A line of the password file."""

    name: str
    uid: int
    gid: int


def choose(cluster: Path) -> Account | None:
    """Who is to run Postgres on `cluster`; None is ourselves."""
    owner = cluster.stat().st_uid if cluster.exists() else None
    me = os.geteuid()
    if me != ROOT:
        if owner not in (None, me):
            raise FolderTrouble(
                f"{cluster} belongs to '{_name(owner)}', made when Homing ran under another "
                "account. Run as that account or root, or choose another folder."
            )
        return None
    if owner not in (None, ROOT):
        return _account(pwd.getpwuid(owner)) if _known(owner) else Account(str(owner), owner, owner)
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise LocalTrouble(
        "Postgres refuses to run as root, and no account 'postgres' or 'nobody' exists."
    )


def explain_unreachable(account: Account, paths: list[Path]) -> LocalTrouble:
    """Why `account` reaches one of `paths` not, naming the folder that is closed to it."""
    for path in paths:
        closed = closed_at(path, account)
        if closed is not None:
            mode = stat.S_IMODE(closed.stat().st_mode)
            return LocalTrouble(
                f"Postgres refuses to run as root, so it runs as '{account.name}', and that "
                f"account cannot enter {closed} (mode {mode:o}), which it must for {path}. Put "
                "the virtual environment and the data folder (--data DIR) where every account "
                "can enter, or run as an ordinary user."
            )
    return LocalTrouble(
        f"Postgres refuses to run as root, and '{account.name}' can run {paths[0]} or use "
        f"{paths[-1]} not. Run as an ordinary user."
    )


def closed_at(path: Path, account: Account) -> Path | None:
    """The first folder on the way to `path` whose mode keeps `account` out."""
    for folder in reversed(path.absolute().parents):
        facts = folder.stat()
        if facts.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif facts.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not facts.st_mode & needed:
            return folder
    return None


def _account(line: pwd.struct_passwd) -> Account:
    return Account(line.pw_name, line.pw_uid, line.pw_gid)


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _name(uid: int | None) -> str:
    return pwd.getpwuid(uid).pw_name if uid is not None and _known(uid) else str(uid)
