# ruff: noqa: T201 - what it prints is the log of `helm test`
"""`helm test`: a command through the web Service, its outcome over Server-Sent Events."""

import json
import os
import sys
import time
import uuid

import httpx
from httpx_sse import connect_sse

URL, COMMAND = os.environ["URL"], os.environ["COMMAND"]
SECONDS = float(os.environ["TIMEOUT_SECONDS"])
PAYLOAD = os.environ["PAYLOAD"].replace("{unique}", uuid.uuid4().hex)


def begin(client: httpx.Client) -> None:
    """Get the session's cookie, once all of it serves: the test may come early."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            client.get("/api/session").raise_for_status()
            return
        except httpx.HTTPError as error:
            print("waiting:", error, flush=True)
            time.sleep(1)
    sys.exit(f"{URL} did not answer within {SECONDS:.0f} s")


def first_outcome(client: httpx.Client) -> dict:
    """Submit without waiting, then listen until the outcome comes."""
    begin(client)
    headers = {"Content-Type": "application/json"}
    accepted = client.post(f"/api/commands/{COMMAND}", content=PAYLOAD, headers=headers)
    print("accepted:", accepted.status_code, accepted.text, flush=True)
    accepted.raise_for_status()
    deadline = time.monotonic() + SECONDS
    events = f"/api/commands/{accepted.json()['command_id']}/events"
    with connect_sse(client, "GET", events) as source:
        for event in source.iter_sse():
            print("event:", event.event, event.data, flush=True)
            if event.event == "outcome":
                return json.loads(event.data)
            if time.monotonic() > deadline:
                break
    sys.exit(f"no outcome within {SECONDS:.0f} s")


with httpx.Client(base_url=URL, timeout=SECONDS) as client:
    outcome = first_outcome(client)
if outcome["status"] != "succeeded":
    sys.exit(f"the outcome is {outcome['status']}")
print("succeeded")
