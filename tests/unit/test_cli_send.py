"""`homing send`: what is sent to it, what it prints, and the exit code of each verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from homing.cli.calling import Answer, Refused, problem
from homing.cli.sending import BadInput, Sending, parse, report

URL = "http://127.0.0.1:8080"
SENDING = Sending("locations.register", "{}", 2.5)


def outcome(status: str) -> dict[str, Any]:
    return {"command_id": "0190", "type": "locations.register", "status": status, "actions": []}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, outcome("succeeded"), 0),
        (200, outcome("rejected"), 3),  # a repeat of a command whose outcome is stored
        (409, {"title": "Rejected", "outcome": outcome("rejected")}, 3),
        (500, {"title": "Failed", "outcome": outcome("failed")}, 4),
    ],
)
def test_an_outcome_is_printed_with_its_exit_code(
    capsys: pytest.CaptureFixture[str], status: int, body: dict[str, Any], code: int
) -> None:
    """Standard output is the outcome, as JSON, and nothing else."""
    assert report(Answer(status, body), SENDING, URL) == code
    printed = capsys.readouterr()
    assert json.loads(printed.out) == body.get("outcome", body)
    assert printed.err == ""


def test_pending_names_the_status_url(capsys: pytest.CaptureFixture[str]) -> None:
    """When the wait ran out, standard error says where to ask later."""
    body = {
        "command_id": "0190",
        "status": "pending",
        "links": {"status": "/api/commands/0190?seq=7", "events": "/api/commands/0190/events"},
    }
    assert report(Answer(202, body), SENDING, URL) == 5
    printed = capsys.readouterr()
    assert json.loads(printed.out) == body
    assert "pending after 2.5 s: http://127.0.0.1:8080/api/commands/0190?seq=7" in printed.err


@pytest.mark.parametrize(("status", "code"), [(400, 2), (404, 2), (422, 2), (401, 1), (503, 1)])
def test_a_problem_is_readable(status: int, code: int) -> None:
    """Title, detail and every error, each on a line."""
    body = {
        "title": "Bad payload",
        "detail": "The command does not validate.",
        "errors": [{"field": "name", "detail": "too long"}, "and more"],
    }
    with pytest.raises(Refused) as refused:
        report(Answer(status, body), SENDING, URL)
    assert refused.value.exit_code == code
    assert str(refused.value).splitlines() == [
        f"Homing refused it: Bad payload ({status}): The command does not validate.",
        "  - name: too long",
        "  - and more",
    ]


def test_an_answer_of_somebody_else_is_shown() -> None:
    """A body without a title still gives the status, and so does no JSON at all."""
    assert problem(Answer(502, {})) == problem(Answer(502, None)) == "unexpected answer (502)"


@pytest.mark.parametrize("text", ["{", "", "[1]", '"text"', "null", "{'name': 1}"])
def test_bad_json_is_refused_before_anything_is_sent(text: str) -> None:
    """Only a JSON object is a payload."""
    with pytest.raises(BadInput, match="JSON"):
        parse(text)


def test_the_payload_is_taken_as_it_is() -> None:
    """No value is changed on the way."""
    assert parse('{"name": "Göteborg", "delay": 1.5}') == {"name": "Göteborg", "delay": 1.5}
