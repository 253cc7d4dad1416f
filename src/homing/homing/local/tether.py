"""A program of its own: becomes another program that dies with its parent.

    python -I -S tether.py SIGNAL PARENT UID GID PROGRAM [ARGUMENT ...]

Asks the kernel for SIGNAL when the parent dies, even by `kill -9`, and takes on another account
first if UID is not -1 (the kernel forgets the wish when the account changes). A wrapper, because
code between fork and exec is unsafe in a parent that has threads. Imports nothing of Homing.
The wish is tied to the parent's *thread* that started us: start servers from a thread that stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Become `argv[4:]`."""
    parting, parent, uid, gid = (int(text) for text in argv[:4])
    if uid != -1:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, parting, 0, 0, 0) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent:  # it died before the wish was heard
            sys.exit("the parent is gone")
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.execv(argv[4], argv[4:])  # noqa: S606 - to become it is the purpose
    except OSError as error:
        sys.exit(f"{argv[4]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
