"""What each process may do, in one place. Pure.

`homing migrate` grants it in Postgres. Nobody but the migrator owns anything; the API writes
nothing but what its operators did with dead letters. NATS has its users in its configuration:
`nats_users` writes that part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from homing.partition import COMMANDS, STREAM


@dataclass(frozen=True)
class Grants:
    """Privileges on Homing's tables by name, and on every table of every domain."""

    tables: Mapping[str, str]
    domains: str

    def statements(self, role: str, domains: Iterable[str]) -> Iterator[str]:
        """The SQL that grants exactly this to the quoted `role`, and takes all else away."""
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA homing FROM {role}"
        yield f"GRANT USAGE ON SCHEMA homing TO {role}"
        for table, privileges in self.tables.items():
            yield f"GRANT {privileges} ON homing.{table} TO {role}"
        for domain in domains:
            yield f'GRANT USAGE ON SCHEMA "{domain}" TO {role}'
            yield f'REVOKE ALL ON ALL TABLES IN SCHEMA "{domain}" FROM {role}'
            yield f'GRANT {self.domains} ON ALL TABLES IN SCHEMA "{domain}" TO {role}'


POSTGRES = {
    "api": Grants(
        tables={
            "outcomes": "SELECT",
            "partitions": "SELECT",
            "reactors": "SELECT",
            "stream": "SELECT",
            "pruned": "SELECT",
            "schema_migrations": "SELECT",
            # the operators' page: these columns say what became of one, and nothing is deleted
            "dead_letters": "SELECT, UPDATE (discarded_at, replays, replayed_at, "
            "replay_incarnation, replay_sequence)",
        },
        domains="SELECT",
    ),
    "reactor": Grants(
        tables={
            # DELETE: the holder of a partition prunes what is older than its retention
            "outcomes": "SELECT, INSERT, DELETE, UPDATE (repeated_at)",
            "events": "SELECT, INSERT, DELETE",
            "dead_letters": "SELECT, INSERT",
            "pruned": "SELECT, INSERT, UPDATE",
            # a value may pass from one key of a round to another
            "claims": "SELECT, INSERT, DELETE, UPDATE (key)",
            "partitions": "SELECT, UPDATE",
            "reactors": "SELECT, INSERT, UPDATE, DELETE",
            "stream": "SELECT",
            "schema_migrations": "SELECT",
        },
        domains="SELECT, INSERT, UPDATE, DELETE",
    ),
}


@dataclass(frozen=True)
class Subjects:
    """What a NATS user may publish and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def inbox(process: str) -> str:
    """What the inboxes of a process begin with; its own, so that no other one can listen there."""
    return f"_INBOX_{process}"


def _subjects(process: str, publish: Iterable[str], subscribe: Iterable[str] = ()) -> Subjects:
    own = f"{inbox(process)}.>"  # published to by the pulse, which goes out and comes back
    return Subjects((*publish, own), (*subscribe, own))


NATS = {
    "migrate": _subjects(
        "migrate",
        [
            *(f"$JS.API.STREAM.{action}.{STREAM}" for action in ("INFO", "CREATE", "UPDATE")),
            # to adopt a stream, it is compared with the checkpoints, and what is too old is listed
            f"$JS.API.STREAM.MSG.GET.{STREAM}",
            f"$JS.API.DIRECT.GET.{STREAM}",
            f"$JS.API.CONSUMER.LIST.{STREAM}",
            f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.*",
            # `homing dead-letters replay`; its password is an operator's, who could as well do it
            # in the database
            f"{COMMANDS}.>",
        ],
    ),
    "api": _subjects(
        "api",
        [
            f"{COMMANDS}.>",
            f"$JS.API.STREAM.INFO.{STREAM}",
            f"$JS.API.STREAM.MSG.GET.{STREAM}",
            f"$JS.API.DIRECT.GET.{STREAM}",  # lag
        ],
        ["homing.outcomes.>"],
    ),
    "reactor": _subjects(
        "reactor",
        [
            "homing.outcomes.>",
            "homing.members",
            f"$JS.API.STREAM.INFO.{STREAM}",
            f"$JS.API.STREAM.MSG.GET.{STREAM}",
            f"$JS.API.DIRECT.GET.{STREAM}",  # lag, and what is old enough to be trimmed
            # the holder of a partition trims it, below its first command that is to be kept
            f"$JS.API.STREAM.PURGE.{STREAM}",
            f"$JS.API.CONSUMER.RESET.{STREAM}.*",
            f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.*",
            f"$JS.ACK.{STREAM}.>",
            f"$JS.ACK.*.*.{STREAM}.>",  # the longer form, with domain and account
        ],
        ["homing.members"],
    ),
}


def nats_users() -> str:
    """The users as a part of NATS's configuration; passwords come from its environment."""
    users = "".join(_nats_user(process, subjects) for process, subjects in NATS.items())
    return f"authorization {{\n  users: [\n{users}  ]\n}}\n"


def _nats_user(process: str, subjects: Subjects) -> str:
    publish, subscribe = (
        "".join(f'          "{subject}"\n' for subject in some)
        for some in (subjects.publish, subjects.subscribe)
    )
    return (
        f"    {{\n      user: homing_{process}\n      password: ${process.upper()}_PASSWORD\n"
        f"      permissions {{\n        publish: [\n{publish}        ]\n"
        f"        subscribe: [\n{subscribe}        ]\n      }}\n    }}\n"
    )
