"""Ports of the loopback address: free ones, and a clear word about those that are taken."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from homing.local.trouble import PortInUse

LOOPBACK = "127.0.0.1"
LOWEST = 10_240
HIGHEST = 65_535
TRIES = 2000


def is_free(port: int) -> bool:
    """Whether a server can listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            probe.listen(1)
            return True
    return False


def free(count: int = 1) -> list[int]:
    """Free ports outside the range that the kernel gives to outgoing connections.

    A server that keeps its port over a restart would else find it taken, even by its own client: a
    reconnect from the very port that it dials connects to itself.
    """
    low, high = _outgoing_range()
    found: list[int] = []
    for _ in range(TRIES):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - spreads, keeps no secret
        if not low <= port <= high and port not in found and is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise PortInUse(f"no {count} free ports were found")


def check(wanted: Mapping[str, tuple[int, str]]) -> None:
    """Raise `PortInUse` unless all are free; `wanted` is name -> (port, what to do about it)."""
    taken = [
        f"{port} for {name}; {remedy}"
        for name, (port, remedy) in wanted.items()
        if port and not is_free(port)
    ]
    if taken:
        raise PortInUse("\n  ".join(["", *taken]) if len(taken) > 1 else taken[0])


def _outgoing_range() -> tuple[int, int]:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii")
    except OSError:
        return 32_768, 60_999
    low, high = text.split()
    return int(low), int(high)
