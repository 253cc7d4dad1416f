"""What the driver says becomes ours: the stores are away, or they refused."""

from __future__ import annotations

import asyncpg
import pytest

from homing.errors import StorageUnavailable
from homing.storage.database import StatementFailed, translate


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) in progress"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.AdminShutdownError("terminating connection"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_a_connection_that_was_cut_is_trouble_that_passes(error: Exception) -> None:
    """However the driver comes to notice: nobody's command is to blame."""
    assert isinstance(translate(error), StorageUnavailable)


def test_a_refusal_is_not() -> None:
    """It keeps its SQLSTATE, which decides whether the command is to blame."""
    refused = translate(asyncpg.NumericValueOutOfRangeError("too large"))
    assert isinstance(refused, StatementFailed)


def test_what_is_not_the_drivers_is_left_alone() -> None:
    """A fault of ours must not be retried as if a server were away."""
    assert translate(KeyError("ours")) is None
