"""Owners, ids, fingerprints, traces."""

import re
from datetime import UTC, datetime
from uuid import UUID

from homing.identity import (
    ID_PATTERN,
    created_at,
    derived_command_id,
    fingerprint,
    new_command_id,
    owner_token,
    replayed_command_id,
    trace_id,
    traceparent,
)
from homing.outcome import CommandId

VECTOR = "b2171ce1-bd30-8d94-b068-954e0315f28f"  # written down: ids outlive versions


def test_owner_tokens_tell_issuer_and_subject_apart() -> None:
    """Moving a character from issuer to subject is another owner; the token fits a subject."""
    assert owner_token("a", "bc") != owner_token("ab", "c")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", owner_token("anonymous", "x"))


def test_a_new_id_is_a_v7_that_tells_its_time() -> None:
    """The time in an id is when the command was accepted."""
    command_id = new_command_id()
    made = created_at(command_id)
    assert UUID(command_id).version == 7
    assert made is not None
    assert abs((datetime.now(UTC) - made).total_seconds()) < 5


def test_an_id_of_a_time_that_no_clock_shows_tells_none() -> None:
    """Its 48 bits of milliseconds reach beyond the last year that can be written."""
    assert created_at(CommandId("ffffffff-ffff-7fff-bfff-ffffffffffff")) is None


def test_a_derived_id_is_the_same_for_a_repeat_and_differs_between_owners() -> None:
    """An idempotency key belongs to its owner."""
    one, other = owner_token("anonymous", "1"), owner_token("anonymous", "2")
    assert derived_command_id(one, "k") == derived_command_id(one, "k")
    assert derived_command_id(one, "k") != derived_command_id(other, "k")
    assert UUID(derived_command_id(one, "k")).version == 8
    assert ID_PATTERN.fullmatch(derived_command_id(one, "k"))
    assert created_at(derived_command_id(one, "k")) is None


def test_a_fingerprint_covers_type_and_payload() -> None:
    """Neither can change unseen."""
    assert fingerprint("a.b", b"{}") != fingerprint("a.c", b"{}")
    assert fingerprint("a.b", b"{}") != fingerprint("a.b", b"[]")


def test_a_sent_trace_goes_on_and_a_broken_one_is_replaced() -> None:
    """Hostile or malformed trace headers start a new trace (W3C Trace Context, section 3.2)."""
    ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    sent = f"00-{ids}-01"
    assert traceparent(sent) == sent
    assert trace_id(sent) == ids[:32]
    broken = (
        None, "", "x" * 9999, sent + "\r\n", sent + "-", sent + "-more", sent.upper(),
        f"ff-{ids}-01", f"{sent}, {sent}", f"00-{ids}-1",
        f"00-{'0' * 32}-{ids[33:]}-01", f"00-{ids[:32]}-{'0' * 16}-01",
    )  # fmt: skip
    for one in broken:
        made = traceparent(one)
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", made)
        assert ids[:32] not in made


def test_what_a_later_version_of_the_trace_context_says_is_understood_as_far_as_it_is_known() -> (
    None
):
    """It may say more, which is dropped, as are flags that have no meaning yet (section 4)."""
    ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    assert traceparent(f"01-{ids}-ff-what-the-future-brings") == f"00-{ids}-03"
    assert traceparent(f"00-{ids}-f0") == f"00-{ids}-00"


def test_a_replays_id_is_the_same_each_time_and_another_for_each_number() -> None:
    """So that asking twice is one command; it is a v8, and no idempotency key leads to it."""
    first, second = new_command_id(), new_command_id()
    ids = [replayed_command_id(one, number) for one in (first, second) for number in (1, 2, 11)]
    assert ids == [replayed_command_id(one, n) for one in (first, second) for n in (1, 2, 11)]
    assert len(set(ids)) == 6
    assert {UUID(one).version for one in ids} == {8}
    assert all(ID_PATTERN.fullmatch(one) for one in ids)
    assert replayed_command_id(CommandId("0190a1b2-0000-7000-8000-000000000000"), 1) == VECTOR
