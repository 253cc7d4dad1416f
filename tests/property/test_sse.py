"""What the encoder writes, a parser of the WHATWG text reads: for any text, in any pieces."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing_api import events
from support.sse import Event, Parser

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(texts=st.lists(TEXT, min_size=1, max_size=5), size=st.integers(1, 50))
def test_events_survive_any_text_and_any_cutting(texts: list[str], size: int) -> None:
    """One event each, its lines joined by line feeds, as the standard says."""
    wire = b"".join(
        events.event("outcome", text.encode(), f"1.1-{number}") + events.HEARTBEAT
        for number, text in enumerate(texts)
    )
    parser = Parser()
    seen: list[Event] = []
    for start in range(0, len(wire), size):
        seen += parser.feed(wire[start : start + size])
    lines = [re.sub("\r\n|\r", "\n", text) for text in texts]
    assert [event.data for event in seen] == lines
    assert [event.last_event_id for event in seen] == [f"1.1-{n}" for n in range(len(texts))]
    assert {event.type for event in seen} == {"outcome"}


@given(TEXT)
def test_an_id_cannot_break_the_stream(text: str) -> None:
    """Only short plain ones are written; an empty one would erase the client's cursor."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        assert Parser().feed(events.event("ping", b"{}", text))[0].last_event_id == text
        return
    with pytest.raises(ValueError, match="no event id"):
        events.primer(text)


def test_a_primer_moves_the_cursor_without_an_event() -> None:
    """The standard sets the last event id even where there is no data."""
    parser = Parser()
    assert parser.feed(events.primer("1.1-7") + events.retry(1234)) == []
    assert (parser.last_event_id, parser.retry) == ("1.1-7", 1234)
