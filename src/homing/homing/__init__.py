"""Homing closes the loop of CQRS: an accepted command comes home to the client that sent it.

These are the names that a domain is written with; everything else is the framework's own.
"""

from homing.actions import Message, Redirect, Refresh
from homing.commands import Command, Event
from homing.domain import Context, Domain, Rejected, Response, StateTable
from homing.outcome import Outcome, OutcomeError
from homing.queries import Query
from homing.registry import Registry

__all__ = [
    "Command",
    "Context",
    "Domain",
    "Event",
    "Message",
    "Outcome",
    "OutcomeError",
    "Query",
    "Redirect",
    "Refresh",
    "Registry",
    "Rejected",
    "Response",
    "StateTable",
]
