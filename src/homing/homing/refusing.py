"""What every port refuses before its application is asked, and ends the connection with."""

from __future__ import annotations

import re
from typing import Any

from homing.answers import Answer, Send, give, problem
from homing.hosts import is_host

# RFC 9110, section 5.5; the parser lets them through.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CLOSE = (b"connection", b"close")
_NO_WEBSOCKET = problem(400, "no-websocket", "No WebSocket is spoken here.", _CLOSE)


def refusing(app: Any) -> Any:
    """`app`, which never sees a request that could be understood in two ways."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        said = _refusal(scope) if scope["type"] == "http" else None
        if scope["type"] == "websocket":
            await give(_as_websocket(send), _NO_WEBSOCKET)
        elif said is not None:
            await give(send, said)
        else:
            await app(scope, receive, send)

    return wrapped


def _refusal(scope: Any) -> Answer | None:
    """Why not; None if nothing is wrong."""
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        # Who reads the one where the next reads the other lets a second request in with the body.
        detail = (
            "A request has Content-Length or Transfer-Encoding, not both (RFC 9112, section 6.3)."
        )
        return problem(400, "ambiguous-length", detail, _CLOSE)
    for name, value in scope["headers"]:
        if _CONTROL.search(value):
            detail = f"The header {name.decode('latin-1')} has a control character in it."
            return problem(400, "bad-header", detail, _CLOSE)
    hosts = (value for name, value in scope["headers"] if name == b"host")  # HTTP/1.0 has none
    if not all(is_host(host.decode("latin-1")) for host in hosts):
        return problem(400, "bad-host", "Host has to be a name or an address.", _CLOSE)
    return None


def _as_websocket(send: Send) -> Send:
    async def sent(message: dict[str, Any]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return sent
