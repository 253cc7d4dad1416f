"""What `homing up` will start: ports and each process's environment.

Pure but for the choice of free ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from homing.local import access, ports
from homing.local.options import Options
from homing.local.ports import LOOPBACK

API_PORT = 8000
INTERNAL_PORT = 9000
DRAIN_SECONDS = "1"
OWNED = frozenset(
    f"HOMING_{name}"
    for name in (
        *("NATS_URL", "POSTGRES_URL", "BIND", "PORT", "INTERNAL_PORT", "API_URL"),
        *("API_INTERNAL_URL", "SESSION_KEYS", "LOG_FORMAT"),
    )
)


@dataclass(frozen=True)
class Ports:
    """Where each process listens; the internal ones carry probes and metrics."""

    web: int
    api: int
    internal_web: int
    internal_api: int
    internal_reactors: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """What the servers and the folder of this machine add."""

    nats_url: str
    postgres_urls: Mapping[str, str]
    """By role."""
    session_key: str


def choose_ports(options: Options) -> Ports:
    """The ports of the options, defaults for the rest, free ones if the web's is 0.

    Raises `PortInUse`, which names the option that changes it.
    """
    count = 4 + options.reactors
    default_api, default_internal = (0, 0) if options.port == 0 else (API_PORT, INTERNAL_PORT)
    api = default_api if options.api_port is None else options.api_port
    first = default_internal if options.internal_port is None else options.internal_port
    internal = [first + n if first else 0 for n in range(2 + options.reactors)]
    spare = iter(ports.free(count))
    web, api, *internal = [port or next(spare) for port in (options.port, api, *internal)]
    chosen = Ports(web, api, internal[0], internal[1], tuple(internal[2:]))
    ports.check(
        {
            "the page": (web, "choose another with --port (0: free ones for all)"),
            "the API": (api, "choose another with --api-port"),
            **{
                f"probes ({n + 1} of {len(internal)})": (
                    port,
                    "choose another first one with --internal-port",
                )
                for n, port in enumerate(internal)
            },
        }
    )
    return chosen


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what we decide ourselves, and with this machine's defaults."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in OWNED and name.removesuffix("_FILE") not in OWNED
    }
    defaults = {"HOMING_DEMO": "on", "HOMING_DRAIN_SECONDS": DRAIN_SECONDS, "PYTHONUNBUFFERED": "1"}
    return {**defaults, **kept, "HOMING_LOG_FORMAT": "json"}


def migrate(place: Place) -> dict[str, str]:
    """Settings of `homing migrate`, which owns the database."""
    return _connected(place, access.MIGRATOR)


def api(place: Place, chosen: Ports) -> dict[str, str]:
    """Settings of `homing api`."""
    return {
        **_connected(place, access.API),
        **_listening(chosen.api, chosen.internal_api),
        "HOMING_SESSION_KEYS": place.session_key,
    }


def reactor(place: Place, internal_port: int) -> dict[str, str]:
    """Settings of one `homing reactor`, which listens only internally."""
    return {
        **_connected(place, access.REACTOR),
        "HOMING_BIND": LOOPBACK,
        "HOMING_INTERNAL_PORT": str(internal_port),
    }


def web(chosen: Ports) -> dict[str, str]:
    """Settings of `homing web`, which knows the API alone."""
    return {
        **_listening(chosen.web, chosen.internal_web),
        "HOMING_API_URL": origin(chosen.api),
        "HOMING_API_INTERNAL_URL": origin(chosen.internal_api),
    }


def internal(chosen: Ports) -> list[str]:
    """Where operators look, and what each process can be asked for its measures."""
    web = origin(chosen.internal_web)
    measured = {"api": chosen.internal_api}
    measured |= {
        f"reactor-{number}": port for number, port in enumerate(chosen.internal_reactors, 1)
    }
    return [
        f"operators: {web}/operator",
        f"web: {web}/metrics",
        *(f"{name}: {origin(port)}/metrics, {origin(port)}/lag" for name, port in measured.items()),
    ]


def origin(port: int) -> str:
    """The base URL of a port."""
    return f"http://{LOOPBACK}:{port}"


def _connected(place: Place, role: str) -> dict[str, str]:
    return {"HOMING_NATS_URL": place.nats_url, "HOMING_POSTGRES_URL": place.postgres_urls[role]}


def _listening(port: int, internal: int) -> dict[str, str]:
    return {
        "HOMING_BIND": LOOPBACK,
        "HOMING_PORT": str(port),
        "HOMING_INTERNAL_PORT": str(internal),
    }
