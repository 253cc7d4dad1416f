"""Requests byte by byte, as no client library would send them, and what comes back."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
from dataclasses import dataclass
from email.message import Message
from typing import Any

from homing.local.ports import LOOPBACK

PATIENCE_SECONDS = 3.0
"""Less than the server waits before it closes an idle connection."""


@dataclass(frozen=True)
class Said:
    """An answer, and whether the connection ended with it."""

    status: int
    headers: Message
    body: bytes
    closed: bool

    @property
    def problem(self) -> Any:
        """The document that it has to be."""
        assert self.headers["content-type"] == "application/problem+json", self
        document = json.loads(self.body)
        assert document["status"] == self.status
        assert document["detail"]
        return document


async def said(port: int, request: bytes, *, ending: bool = False) -> Said | None:
    """The answer to `request`; None if the connection ends without one.

    `ending`: nothing more comes, and the server can see it.
    """
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(request)
            if ending:
                writer.write_eof()
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
                return None
            line, _, fields = head.partition(b"\r\n")
            headers = http.client.parse_headers(io.BytesIO(fields))
            bodiless = request.startswith(b"HEAD ")
            body = await reader.readexactly(0 if bodiless else int(headers["content-length"]))
            closed = headers["connection"] == "close" and await reader.read() == b""
            return Said(int(line.split()[1]), headers, body, closed)
    finally:
        writer.close()


def request(first: str, *fields: str, host: str | None = "localhost", body: bytes = b"") -> bytes:
    """A request of HTTP/1.1 with these header lines."""
    lines = [f"{first} HTTP/1.1", *([] if host is None else [f"Host: {host}"]), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
