"""Who asks: the anonymous session, an unguessable id in a signed cookie.

The owner is derived from the id; nothing is stored. A key can be replaced without ending sessions:
the newest signs, all of them verify.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from itsdangerous import BadSignature, Signer
from quart import Request, Response

from homing.identity import owner_token
from homing.outcome import OwnerToken
from homing_api.problems import Problem

COOKIE = "homing_session"
LIFE_SECONDS = 365 * 24 * 3600
ISSUER = "anonymous"


class Session(NamedTuple):
    """The one who asks."""

    owner: OwnerToken
    cookie: str | None = None
    """To be set, if the session is new."""


class Sessions:
    """Reads and makes sessions."""

    def __init__(self, keys: str) -> None:
        """`keys` are secrets, comma-separated, newest first."""
        newest_first = [key.strip() for key in keys.split(",") if key.strip()]
        self._signer = Signer(
            newest_first[::-1], salt="homing.session", digest_method=hashlib.sha256
        )

    def of(self, request: Request) -> Session | None:
        """The session of a request; None without a cookie that we have signed."""
        try:
            session_id = self._signer.unsign(request.cookies.get(COOKIE, ""))
        except BadSignature:
            return None
        return Session(owner_token(ISSUER, session_id.decode()))

    def ensured(self, request: Request) -> Session:
        """The session of a request, or a new one."""
        return self.of(request) or self._new()

    def required(self, request: Request) -> Session:
        """The session of a request. Raises a 401: without one, there is nothing to be told."""
        session = self.of(request)
        if session is None:
            raise Problem(
                401,
                "no-session",
                "The outcomes of commands are told to their sender alone, and this request has no "
                "valid session cookie. GET /api/session, or the first command, sets one.",
                headers={"WWW-Authenticate": f'Cookie cookie-name="{COOKIE}"'},
            )
        return session

    def _new(self) -> Session:
        session_id = secrets.token_urlsafe(24)
        signed = self._signer.sign(session_id).decode()
        return Session(owner_token(ISSUER, session_id), signed)


def keep(response: Response, session: Session, *, secure: bool) -> None:
    """Set the cookie of a new session. Lax, so that no other site can send commands with it."""
    if session.cookie is not None:
        response.set_cookie(
            COOKIE, session.cookie, max_age=LIFE_SECONDS, path="/api",
            httponly=True, samesite="Lax", secure=secure,
        )  # fmt: skip
