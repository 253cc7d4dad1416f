"""`homing send`: one command over HTTP; the outcome is printed, the verdict is the exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp

UNREACHABLE = 1
BAD_INPUT = 2
PENDING = 5
BY_STATUS = {"succeeded": 0, "rejected": 3, "failed": 4}
SLACK_SECONDS = 30.0


@dataclass(frozen=True)
class Sending:
    """What the command line said."""

    url: str
    type: str
    payload: str
    wait_seconds: float
    idempotency_key: str | None


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: dict[str, Any]


class BadInput(Exception):
    """The payload is not a JSON object."""


def send_and_print(sending: Sending) -> int:
    """Send, print, and return the exit code."""
    try:
        payload = parse(sys.stdin.read() if sending.payload == "-" else sending.payload)
        answer = asyncio.run(post(sending, payload))
    except BadInput as error:
        print(f"homing: --json {error}", file=sys.stderr)
        return BAD_INPUT
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        why = str(error) or type(error).__name__
        print(f"homing: no answer from {sending.url}: {why}", file=sys.stderr)
        return UNREACHABLE
    return report(answer, sending)


def parse(text: str) -> dict[str, Any]:
    """The payload. Raises `BadInput`, saying where it is wrong."""
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise BadInput(f"is not valid JSON: {error}") from error
    if not isinstance(payload, dict):
        raise BadInput(f"must be a JSON object like '{{\"name\": …}}', not {text.strip()[:40]}")
    return payload


async def post(sending: Sending, payload: dict[str, Any]) -> Answer:
    """Submit the command, holding the request for its outcome as long as the wait says."""
    headers = {"Accept": "application/json, application/problem+json"}
    if sending.wait_seconds:
        headers["Prefer"] = f"wait={sending.wait_seconds:g}"
    if sending.idempotency_key is not None:
        headers["Idempotency-Key"] = sending.idempotency_key
    target = f"{sending.url.rstrip('/')}/api/commands/{quote(sending.type, safe='')}"
    timeout = aiohttp.ClientTimeout(total=sending.wait_seconds + SLACK_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(target, json=payload, headers=headers) as response,
    ):
        body = await response.json(content_type=None)
        if not isinstance(body, dict):
            raise ValueError(f"status {response.status} with a body that is not Homing's")
        return Answer(response.status, body)


def report(answer: Answer, sending: Sending) -> int:
    """Print what came back; the exit code."""
    body = answer.body
    outcome = body if answer.status == 200 else body.get("outcome")
    if isinstance(outcome, dict) and outcome.get("status") in BY_STATUS:
        print(json.dumps(outcome, indent=2, ensure_ascii=False))
        return BY_STATUS[outcome["status"]]
    if answer.status == 202:
        print(json.dumps(body, indent=2, ensure_ascii=False))
        where = urljoin(sending.url, str(body.get("links", {}).get("status", "")))
        print(f"homing: still pending after {sending.wait_seconds:g} s: {where}", file=sys.stderr)
        return PENDING
    print(f"homing: {problem(answer)}", file=sys.stderr)
    return BAD_INPUT if answer.status in (400, 404, 413, 415, 422) else UNREACHABLE


def problem(answer: Answer) -> str:
    """A problem document, readable: title, detail, and each error on a line of its own."""
    body = answer.body
    said = f"{body.get('title') or 'unexpected answer'} ({answer.status})"
    if body.get("detail"):
        said += f": {body['detail']}"
    errors = body.get("errors") or []
    lines = errors.items() if isinstance(errors, dict) else enumerate(errors)
    return "\n".join([said, *(f"  - {_error(key, error)}" for key, error in lines)])


def _error(key: object, error: object) -> str:
    if isinstance(error, dict):
        return ", ".join(f"{name}: {value}" for name, value in error.items())
    return f"{key}: {error}" if isinstance(key, str) else str(error)
