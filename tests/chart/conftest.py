"""Tests of `deploy/`: they need helm and kubectl, which come in a wheel for Linux on x86-64."""

from __future__ import annotations

import pytest

from support.programs import program


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Skip, visibly, on a machine that has neither the wheel's programs nor its own."""
    for name in ("helm", "kubectl"):
        try:
            program(name)
        except FileNotFoundError as error:
            pytest.skip(str(error))
