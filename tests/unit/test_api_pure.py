"""The API's pure parts: preferences, payloads, cursors, problems."""

from __future__ import annotations

import msgspec
import pytest

from homing.identity import created_at, new_command_id, owner_token
from homing.registry import load
from homing_api.cursor import Cursor, parse
from homing_api.prefer import wait_seconds
from homing_api.problems import Problem
from homing_api.receiving import check_media_type, receive
from homing_api.wrapping import Asked, canonical, idempotency_key, wrap

REGISTER = "locations.register"
GOOD = b'{"name":"Ulm","category":"Town"}'


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None), (["wait=5"], 5), (["Wait = 5"], 5), (['wait="5"'], 5), (["wait=0"], 0),
        (["wait=2.5"], 2.5), (["respond-async, wait=3; foo=bar"], 3), (["wait=1, wait=9"], 1),
        (["return=minimal", "wait=7"], 7), (["wait=soon, wait=9"], None), (["wait=1e9"], None),
        (["wait=-1"], None), (["wait=\u0665"], None), (["wait=" + "9" * 400], None),
        ([",;="], None),
    ],
)  # fmt: skip
def test_the_first_wait_counts_and_nonsense_does_not(
    headers: list[str], seconds: float | None
) -> None:
    """RFC 7240, section 2."""
    assert wait_seconds(headers) == seconds


@pytest.mark.parametrize("text", ["", "a b", "\u00e9", "x" * 256, '""', "\x7f"])
def test_an_impossible_idempotency_key_is_refused(text: str) -> None:
    """Empty, too long, or not of visible ASCII."""
    with pytest.raises(Problem) as raised:
        idempotency_key(text)
    assert raised.value.document.status == 400


def test_a_quoted_idempotency_key_is_the_same_as_a_bare_one() -> None:
    """The IETF draft quotes it, most clients do not."""
    assert idempotency_key('"abc"') == idempotency_key("abc") == "abc"
    assert idempotency_key(None) is None


def test_a_repeat_has_the_same_id_and_another_owner_another() -> None:
    """For as long as it is kept, without a store."""
    received = receive(load(), REGISTER, "application/json", GOOD)
    me, you = owner_token("test", "me"), owner_token("test", "you")
    ids = [wrap(received, owner, 8, Asked("k")).command_id for owner in (me, me, you)]
    assert ids[0] == ids[1] != ids[2]
    assert created_at(ids[0]) is None
    assert created_at(new_command_id()) is not None


def test_the_fingerprint_ignores_how_json_is_written() -> None:
    """Order and white space are no other command; a value is."""
    assert canonical(b'{"a":1, "b" : [ 2 ]}') == canonical(b'{"b":[2],"a":1}')
    assert canonical(b'{"a":1}') != canonical(b'{"a":2}')


@pytest.mark.parametrize(
    ("content_type", "fine"),
    [
        ("application/json", True), ("Application/JSON; charset=UTF-8", True),
        ('application/json; charset="utf-8"', True), ("application/json;charset=latin-1", False),
        ("text/json", False), ("", False), ("application/x-www-form-urlencoded", False),
    ],
)  # fmt: skip
def test_only_json_is_taken(content_type: str, fine: bool) -> None:
    """What a form of another site can send is not."""
    if fine:
        assert check_media_type(content_type, "application/json") == "application/json"
        return
    with pytest.raises(Problem) as raised:
        check_media_type(content_type, "application/json")
    assert raised.value.document.status == 415
    assert raised.value.headers["Accept-Post"] == "application/json"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"category":"Town"}', "name"), (b'{"name":1,"category":"Town"}', "name"),
        (b'{"name":"x","category":"Town","extra":1}', "extra"), (b"[]", ""),
    ],
)  # fmt: skip
def test_the_field_that_is_wrong_is_named(payload: bytes, field: str) -> None:
    """So that a form can show it there."""
    with pytest.raises(Problem) as raised:
        receive(load(), REGISTER, "application/json", payload)
    assert raised.value.document.status == 422
    assert [error.field for error in raised.value.document.errors] == [field]


def test_a_cursor_reads_back_and_nothing_else_does() -> None:
    """It is input of a stranger."""
    cursor = Cursor(1, 2, 3456)
    assert parse(str(cursor)) == cursor
    for text in ("", "1.2", "1.2-", "1.2-x", "-1.2-3", "1.2-3\n", "1.2-\u0663", "1.2-" + "9" * 99):
        assert parse(text) is None


def test_a_problem_leaves_out_what_it_has_not() -> None:
    """No empty members."""
    body = msgspec.json.decode(msgspec.json.encode(Problem(404, "not-found").document))
    assert body == {"type": "/problems/not-found", "title": "Not found", "status": 404}
