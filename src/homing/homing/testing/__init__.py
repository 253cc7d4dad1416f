"""The kit for a domain's own tests: given, when, then; without any server, in milliseconds.

    from homing.testing import given

    def test_a_name_can_be_taken_once() -> None:
        second = RegisterLocation(name="ulm", category="Town")
        given(domain, ULM).when(second).then_rejected("taken")

A command goes the way that it goes in production: it is encoded and decoded as a client's payload,
settled by the same code, meets the claims of all other keys, and its outcome is read back from the
JSON that a client gets. Nothing is imported that a plain `pip install homing` does not bring.

What it cannot show is SQL: migrations, the table and the queries need a Postgres (`homing up`).

`memory_broker` and `memory_store` are for the tests of the processes, not for domains. They need
the servers' extra and are not imported from here.
"""

from homing.testing.scenario import Given, Result, given
from homing.testing.world import Refused

__all__ = ["Given", "Refused", "Result", "given"]
