"""What may stand in a `Host` field, and under which names operators are served. Pure.

A page of somebody else's can make its own name lead to 127.0.0.1 and then reads what is served
there as its own origin (DNS rebinding). It cannot choose what its browser sends as `Host`: that is
its own name. So names that anybody can register are refused.
"""

from __future__ import annotations

import ipaddress
import re

_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]*)?"
)
_INSIDE = (".localhost", ".svc", ".cluster.local", ".internal")


def is_host(value: str) -> bool:
    """Whether it is a host, with a port or without (RFC 3986, section 3.2.2)."""
    return _HOST.fullmatch(value) is not None


def known_host(host: str, further: str = "") -> bool:
    """Whether the value of a `Host` field is one of ours; `further` names, comma-separated."""
    name = _name(host.strip().lower())
    if not name:
        return False
    if "." not in name or name.endswith(_INSIDE) or _address(name):
        return True
    return name in {one.strip().lower().rstrip(".") for one in further.split(",")}


def _name(host: str) -> str:
    """The host without its port, and without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
