"""Queries: named parameters, keyset pages, cursors."""

from datetime import UTC, datetime

import msgspec
import pytest

from homing import Query
from homing.queries import compile_sql, decode_cursor, encode_cursor, first_page, next_page


class Row(msgspec.Struct, frozen=True):
    """A row."""

    at: datetime
    row_id: str


LIST = Query(path="", summary="", sql="SELECT * FROM t", row=Row, order=("-at", "-row_id"))


def test_names_become_numbers_and_a_repeated_name_is_one_parameter() -> None:
    """The author never counts."""
    statement = compile_sql("SELECT :a, :b, :a;")
    assert statement.sql == "SELECT $1, $2, $1"
    assert statement.arguments({"a": 1, "b": 2}) == [1, 2]


def test_casts_strings_names_and_comments_are_left_alone() -> None:
    """A colon is a parameter only where Postgres would take one."""
    sql = "SELECT ':a', \":b\", x::text /* :c */ -- :d\n, :e"
    assert compile_sql(sql).names == ("e",)


def test_a_page_goes_on_behind_the_row_of_its_cursor() -> None:
    """Keyset, not offset: rows that come in between are neither skipped nor doubled."""
    row = Row(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "x")
    assert decode_cursor(LIST, encode_cursor(LIST, row)) == {
        "after_at": row.at,
        "after_row_id": "x",
    }
    assert "(at, row_id) < ($1, $2)" in next_page(LIST).sql
    assert "WHERE" not in first_page(LIST).sql


@pytest.mark.parametrize("cursor", ["", "!", "W10", "WzEsMl0", "é", "bnVsbA", "a" * 5000])
def test_a_forged_cursor_is_a_value_error(cursor: str) -> None:
    """Never a database error."""
    with pytest.raises(ValueError, match="cursor"):
        decode_cursor(LIST, cursor)
