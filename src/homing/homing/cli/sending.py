"""`homing send TYPE --json …`: one command; prints its outcome, exits with the verdict."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

from homing.cli.calling import BAD_INPUT, Answer, CliError, Homing, Refused
from homing.cli.showing import BY_STATUS, Output, show

PENDING = BY_STATUS["pending"]


@dataclass(frozen=True)
class Sending:
    """What the command line said."""

    type: str
    payload: str
    wait_seconds: float
    idempotency_key: str | None = None
    output: Output = "auto"
    expires: str | None = None


class BadInput(CliError):
    """What was to be sent cannot be:"""

    exit_code = BAD_INPUT


async def send(homing: Homing, sending: Sending) -> int:
    """Send, print, and return the exit code. Raises `BadInput`, `Refused`, `Unreachable`."""
    payload = parse(sys.stdin.read() if sending.payload == "-" else sending.payload)
    return report(await post(homing, sending, payload), sending, homing.url)


def parse(text: str) -> dict[str, Any]:
    """The payload. Raises `BadInput`, saying where it is wrong."""
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise BadInput(f"--json is not valid JSON: {error}") from error
    if not isinstance(payload, dict):
        example = "{'name': …}".replace("'", '"')
        raise BadInput(f"--json must be a JSON object like '{example}', not {text.strip()[:40]}")
    return payload


async def post(homing: Homing, sending: Sending, payload: dict[str, Any]) -> Answer:
    """Submit the command, holding the request for its outcome as long as the wait says."""
    headers = {}
    if sending.wait_seconds:
        headers["Prefer"] = f"wait={sending.wait_seconds:g}"
    if sending.idempotency_key is not None:
        headers["Idempotency-Key"] = sending.idempotency_key
    if sending.expires is not None:
        headers["Homing-Expires"] = sending.expires
    path = f"/api/commands/{quote(sending.type, safe='')}"
    return await homing.call(
        "POST", path, json=payload, headers=headers, wait_seconds=sending.wait_seconds
    )


def report(answer: Answer, sending: Sending, url: str) -> int:
    """Print what came back; the exit code. Raises `Refused`."""
    body = answer.body if isinstance(answer.body, dict) else {}
    outcome = body if answer.status == 200 else body.get("outcome")
    if isinstance(outcome, dict) and outcome.get("status") in BY_STATUS:
        show(outcome, sending.output)
        return BY_STATUS[outcome["status"]]
    if answer.status == 202:
        show(body, sending.output)
        where = urljoin(url, str(body.get("links", {}).get("status", "")))
        print(f"homing: still pending after {sending.wait_seconds:g} s: {where}", file=sys.stderr)
        return PENDING
    raise Refused(answer)
