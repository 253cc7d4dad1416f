"""Who may do what on the operators' routes. Pure.

Whoever reaches the internal port may see what holds no payload; whatever changes something, or
shows what is in a dead letter, needs the token in the `Authorization` header. No other site can
set that header without our consent (a preflight, which is never granted), and no cookie is
involved: there is nothing to forge a request with.
"""

from __future__ import annotations

import hmac

from homing.hosts import known_host
from homing_api.problems import Problem

SCHEME = "Bearer"
CHALLENGE = 'Bearer realm="homing operators"'


class Guard:
    """Holds the token."""

    def __init__(self, token: str | None, hosts: str) -> None:
        self._token = None if token is None else token.encode()
        self._hosts = hosts

    @property
    def writable(self) -> bool:
        """Whether anything can be changed at all."""
        return self._token is not None

    def addressed(self, host: str) -> None:
        """Raises a 421 if the request was sent to a name that is not ours."""
        if not known_host(host, self._hosts):
            raise Problem(
                421,
                "misdirected-request",
                "Operators are not served under this name; HOMING_OPERATOR_HOSTS lists others.",
            )

    def authorized(self, header: str | None) -> None:
        """Raises a 403 if there is no token, a 401 without it or with another one."""
        if self._token is None:
            raise Problem(
                403,
                "read-only",
                "HOMING_OPERATOR_TOKEN is not set, so that nothing can be changed here, and no "
                "payload is shown.",
            )
        scheme, _, given = (header or "").partition(" ")
        if scheme.lower() != SCHEME.lower() or not given:
            raise _unauthorized("This needs the operators' token: Authorization: Bearer …", "")
        if not hmac.compare_digest(given.strip().encode(), self._token):
            raise _unauthorized("This is not the operators' token.", ', error="invalid_token"')


def _unauthorized(detail: str, error: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": CHALLENGE + error})
