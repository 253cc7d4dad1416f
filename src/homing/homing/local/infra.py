"""`homing infra`: NATS and Postgres alone, for processes in terminals of their own.

Standard output carries only lines that a shell can read; progress goes to standard error.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from homing.errors import HomingError
from homing.local import child, plan
from homing.local.folder import DataFolder
from homing.local.plan import Place, Ports
from homing.local.private import write_private
from homing.local.screen import Screen
from homing.local.servers import Servers
from homing.local.stopping import Stopping

PORTS = Ports(8080, plan.API_PORT, 9000, 9001, (9002,))


def run(data: Path, fresh: bool) -> None:
    """Run until a signal comes. Raises `HomingError` if it cannot start."""
    folder = DataFolder(data)
    with folder.held():
        asyncio.run(_run(folder, fresh, Screen(sys.stderr)))


async def _run(folder: DataFolder, fresh: bool, screen: Screen) -> None:
    servers = Servers(folder, screen)
    stopping = Stopping(lambda: None)
    stopping.listen()
    failure: HomingError | None = None
    async with asyncio.TaskGroup() as group:
        try:
            await stopping.unless_asked(_start(servers, folder, screen, fresh))
            servers.watch(group.create_task)
            await stopping.asked.wait()
        except HomingError as error:
            failure = error
        finally:
            screen.say("stopping")
            await servers.stop()
    if failure is not None:
        raise failure


async def _start(servers: Servers, folder: DataFolder, screen: Screen, fresh: bool) -> None:
    await servers.start(fresh)
    place = Place(servers.nats.url, servers.postgres.roles, folder.session_key)
    environ = {**plan.inherited(os.environ), **plan.migrate(place)}
    await child.once("migrate", environ, screen)
    for name, text in exports(place).items():
        write_private(folder.path / name, text)
    Screen(sys.stdout).bare(_told(folder.path, exports(place)["env"]).rstrip())


def exports(place: Place) -> dict[str, str]:
    """Shell files by name: one per process with its own Postgres role, and `env` for all at once.

    `env` speaks as the database's owner, since one shell variable cannot hold three roles.
    """
    demo = {"HOMING_DEMO": "on"}
    own = {
        "env.api": {**plan.api(place, PORTS), **demo},
        "env.reactor": {**plan.reactor(place, PORTS.internal_reactors[0]), **demo},
        "env.web": plan.web(PORTS),
        "env.migrate": plan.migrate(place),
    }
    everyone = {
        **plan.migrate(place),
        **demo,
        "HOMING_SESSION_KEYS": place.session_key,
        "HOMING_API_URL": plan.origin(PORTS.api),
    }
    return {name: _lines(values) for name, values in {**own, "env": everyone}.items()}


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _told(folder: Path, everyone: str) -> str:
    where = shlex.quote(str(folder))
    own = "".join(
        f"#   . {where}/env.{name} && homing {name}\n" for name in ("api", "reactor", "web")
    )
    return (
        "# NATS and Postgres are ready. In other terminals, each with its own rights:\n"
        f"{own}# or with the rights of the database's owner, for all (. {where}/env):\n{everyone}"
    )
