"""Settings: `HOMING_*` in the environment, read and checked once at start.

Each process has one frozen struct; a field's name in upper case is its variable (`nats_url` is
`HOMING_NATS_URL`), and the docstring below a field gives its unit and the reason for its default.
A variable with the suffix `_FILE` names a file that holds the value, for secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from homing.errors import SettingsError

PREFIX = "HOMING_"
Port = Annotated[int, Meta(ge=0, le=65535)]
Partitions = Annotated[int, Meta(ge=1, le=4096)]
NatsUrl = Annotated[str, Meta(pattern=r"^(nats|tls|wss?)://[^\s]+\Z")]
# A password with a `/` or an `@` is to be percent-encoded: drivers take a part of it for the host.
PostgresUrl = Annotated[
    str, Meta(pattern=r"^postgres(ql)?://([^\s/?#@:]*(:[^\s/?#@]*)?@)?[^\s/?#@]*([/?]\S*)?\Z")
]
HttpUrl = Annotated[str, Meta(pattern=r"^https?://[^\s/][^\s]*\Z")]
# Long enough not to be guessed, and of what fits into a header as it is (RFC 6750).
OperatorToken = Annotated[
    str, Meta(min_length=16, max_length=500, pattern=r"^[A-Za-z0-9._~+/-]+=*\Z")
]
Switch = Literal["on", "off"]
Days = Annotated[float, Meta(gt=0, le=36_500)]
S = TypeVar("S", bound="Logging")


class Logging(msgspec.Struct, frozen=True, kw_only=True):
    """What every command of Homing has."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console", "auto"] = "auto"
    """`auto`: console on a terminal, json elsewhere."""


class Listening(Logging, frozen=True, kw_only=True):
    """Where a process listens."""

    bind: str = "127.0.0.1"
    """An address of this machine; loopback, so that nothing is open by accident."""
    port: Port = 8080
    internal_port: Port = 9090
    """Probes, metrics and lag; never to be published."""
    drain_seconds: Annotated[float, Meta(ge=0, le=300)] = 5.0
    """How long a shutdown spreads the ends of its streams and waits for what is in hand."""


class Connected(Listening, frozen=True, kw_only=True):
    """What every process that speaks NATS and Postgres has."""

    nats_url: NatsUrl
    postgres_url: PostgresUrl
    partitions: Partitions = 64
    """Slots of the key space; fixed when the stream is created."""


class ApiSettings(Connected, frozen=True, kw_only=True):
    """Settings of `homing api`."""

    port: Port = 8000
    internal_port: Port = 9001
    session_keys: Annotated[str, Meta(min_length=32)]
    """Secrets that sign the anonymous session's cookie, comma-separated, newest first."""
    wait_max_seconds: Annotated[float, Meta(gt=0, le=300)] = 30.0
    """Cap of `Prefer: wait`; under the usual 60 s of proxies."""
    publish_deadline_seconds: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """How long a submit retries its publish before it answers 503; covers a leader's election."""
    publish_concurrency: Annotated[int, Meta(ge=1, le=1024)] = 128
    """Publishes in flight; more bring nothing (measured on one server)."""
    body_max_bytes: Annotated[int, Meta(ge=1024, le=245_760)] = 131_072
    """Of one command; the stream takes 256 KiB, the envelope included."""
    batch_max_bytes: Annotated[int, Meta(ge=1024)] = 4_194_304
    """Of many commands in one request."""
    commands_in_flight: Annotated[int, Meta(ge=1)] = 2000
    """Submits between arrival and answer; above it 503."""
    lag_max_seconds: Annotated[float, Meta(gt=0)] | None = None
    """While the oldest unapplied command is older, submits answer 503; none: they never do."""
    waits_max: Annotated[int, Meta(ge=1)] = 5000
    """Held responses in one process; above it a wait is not applied and the answer is 202."""
    streams_per_owner: Annotated[int, Meta(ge=1)] = 6
    """As many as a browser opens to one host over HTTP/1.1."""
    streams_max: Annotated[int, Meta(ge=1)] = 20_000
    stream_lifetime_seconds: Annotated[float, Meta(ge=1)] = 3600.0
    """A stream's longest life, less up to a tenth of jitter; the client reconnects."""
    lease_seconds: Annotated[float, Meta(ge=1, le=60)] = 3.0
    """As the reactors have it: whose sign of life is older holds nothing, say the metrics and
    the operators' page."""
    outcome_retention_days: Days = 30.0
    """As the reactors have it: what is older and not known is answered as expired."""
    command_retention_days: Days = 7.0
    """How far away a command's expiry may lie."""
    pool_size: Annotated[int, Meta(ge=2, le=100)] = 10
    """Connections to Postgres; times replicas it must stay under the server's limit."""
    statement_cache_size: Annotated[int, Meta(ge=0)] = 100
    """0 where a transaction-pooling proxy stands between."""
    demo: Switch = "off"
    """Allows the simulated delay of a command."""
    operator_token: OperatorToken | None = None
    """What operators say to replay and discard dead letters, and to read what is in them; none:
    their routes tell only what holds no payload, and change nothing."""
    operator_hosts: str = ""
    """Further names under which operators may reach the internal port, comma-separated: those of a
    proxy in front. Addresses, `localhost` and names inside a cluster always may; others are
    refused, or any web page could read it through a name of its own (DNS rebinding)."""


class ReactorSettings(Connected, frozen=True, kw_only=True):
    """Settings of `homing reactor`."""

    internal_port: Port = 9002
    lease_seconds: Annotated[float, Meta(ge=1, le=60)] = 3.0
    """After so long without a sign of life a reactor's partitions go to others."""
    frozen_seconds: Annotated[float, Meta(ge=1, le=300)] = 20.0
    """After so long without a turn of its event loop the process ends, to be started anew."""
    round_max_commands: Annotated[int, Meta(ge=1, le=5000)] = 200
    round_max_bytes: Annotated[int, Meta(ge=1024)] = 1_048_576
    statement_cache_size: Annotated[int, Meta(ge=0)] = 100
    demo: Switch = "off"
    """Holds a command that asks for it before its round, at most 5 s from the stream's time."""
    command_retention_days: Days = 7.0
    """How long commands stay in the stream after they were applied; so far back Postgres can be
    restored without losing what was accepted."""
    outcome_retention_days: Days = 30.0
    """How long outcomes are kept. Longer than commands are: an outcome is what keeps its command
    from taking effect again."""
    event_retention_days: Days = 365.0
    """How long events are kept."""
    retention_pace_seconds: Annotated[float, Meta(ge=0.05, le=86_400)] = 600.0
    """How often each partition is trimmed and pruned by its holder."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for settings that do not go together."""
        if self.outcome_retention_days <= self.command_retention_days:
            raise ValueError(
                f"HOMING_OUTCOME_RETENTION_DAYS ({self.outcome_retention_days:g}) must be longer "
                f"than HOMING_COMMAND_RETENTION_DAYS ({self.command_retention_days:g})"
            )


class WebSettings(Listening, frozen=True, kw_only=True):
    """Settings of `homing web`."""

    internal_port: Port = 9000
    api_url: HttpUrl
    """Where `/api` is passed on to."""
    api_internal_url: HttpUrl | None = None
    """The API's internal port, which the operators' page speaks to; none: there is no such page."""
    operator_hosts: str = ""
    """As the API has it."""


class MigrateSettings(Logging, frozen=True, kw_only=True):
    """Settings of `homing migrate`, which listens nowhere."""

    nats_url: NatsUrl
    postgres_url: PostgresUrl
    partitions: Partitions = 64
    api_role: str = "homing_api"
    """The Postgres role that the API logs in as; it must exist."""
    reactor_role: str = "homing_reactor"
    """The Postgres role that reactors log in as; it must exist."""
    commands_max_bytes: Annotated[int, Meta(ge=1_048_576)] = 4_294_967_296
    """Size of the stream; when it is full, submits answer 503."""
    duplicate_window_seconds: Annotated[float, Meta(ge=0.1, le=2_592_000)] = 300.0
    """How long JetStream itself knows a repeated command; to be shorter than outcomes are kept, or
    a repeat is accepted as the command whose outcome is gone."""
    stream_replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    outcome_retention_days: Days = 30.0
    """As the reactors have it: older commands are skipped when a stream is adopted."""
    wait_seconds: Annotated[float, Meta(ge=0)] = 60.0
    """How long to wait for NATS and Postgres to answer."""


class LettersSettings(Logging, frozen=True, kw_only=True):
    """Settings of `homing dead-letters`, which connects as `homing migrate` does."""

    postgres_url: PostgresUrl


class ReplaySettings(LettersSettings, frozen=True, kw_only=True):
    """Settings of `homing dead-letters replay`."""

    nats_url: NatsUrl


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read `kind` from the environment.

    Raises `SettingsError`, which lists every problem at once.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = PREFIX + field.name.upper()
        try:
            text = _read(name, environ)
            if text is not None:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
                if name.endswith("_URL") and not _connectable(text):
                    problems.append(f"{name}: its port is no number, or a bracket is left open")
            elif field.required:
                problems.append(f"{name} is not set")
        except (msgspec.ValidationError, OSError, UnicodeDecodeError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise SettingsError(problems)
    try:
        return kind(**values)
    except ValueError as error:  # settings that do not go together
        raise SettingsError([str(error)]) from None


def _connectable(url: str) -> bool:
    """Whether each host of a URL can be told from its port; Postgres takes several of them."""
    where = re.sub("://[^/?#]*@", "://", url).partition("?")[0]
    try:
        for one in where.split(","):
            urlsplit(one if "://" in one else f"//{one}").port  # noqa: B018  # raises
    except ValueError:
        return False
    return True


def _read(name: str, environ: Mapping[str, str]) -> str | None:
    file = environ.get(f"{name}_FILE")
    if file:
        return Path(file).read_text("utf-8").strip()
    return environ.get(name) or None
