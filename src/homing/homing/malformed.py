"""What Hypercorn answers itself, as no application can be asked about it: malformed requests.

No `Host`, header fields that are none or too long, a length that is no number: the parser gives up,
and `H11Protocol._send_error_response` writes a status with nothing below it. No setting changes
that, so a class of ours stands in under the name by which `hypercorn.protocol` looks it up. Of
Hypercorn's insides it needs that name, that method (called while the parser's error is handled),
`stream_send`, and `_check_protocol`, which alone leads to HTTP/2. Should an update move one of
them, Hypercorn's own way is back, and the tests that send such bytes to real ports
(`tests/integration/test_refused_requests.py`) fail.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

import hypercorn.protocol
from hypercorn.protocol.events import Body, EndBody, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol

from homing.answers import problem
from homing.problems import kind_of

TOO_LONG = "The header fields are longer than this server takes."


def say_what_is_malformed() -> None:
    """From now on, for every server of this process."""
    hypercorn.protocol.H11Protocol = _Saying  # type: ignore[attr-defined]  # imported there, not exported


class _Saying(H11Protocol):
    async def _send_error_response(self, status_code: int) -> None:
        why = TOO_LONG if status_code == 431 else f"The request is malformed: {_said()}."
        answer = problem(status_code, kind_of(HTTPStatus(status_code).phrase), why)
        length = (b"content-length", str(len(answer.body)).encode())
        headers = [*answer.headers, length, (b"connection", b"close")]
        await self.stream_send(Response(STREAM_ID, headers, status_code))
        await self.stream_send(Body(STREAM_ID, answer.body))
        await self.stream_send(EndBody(STREAM_ID))

    async def _check_protocol(self, event: Any) -> None:
        """Nobody changes to HTTP/2 here: after its GOAWAY a stream goes silent without an end."""


def _said() -> str:
    """What the parser says is wrong, without the bytes that it quotes behind."""
    return str(sys.exception()).partition(": bytearray(")[0]
