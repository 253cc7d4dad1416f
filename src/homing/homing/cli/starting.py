"""The commands that start something, each importing only what it starts."""

# ruff: noqa: PLC0415 - imports inside the functions are this module's purpose
from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

from homing.errors import HomingError
from homing.local.options import Options

GROUP = "homing.processes"


class NotInstalled(HomingError):
    """Something that this command needs is not installed:"""


def up(options: Options) -> None:
    """`homing up`."""
    _needs_embedded("psutil", "aiohttp")
    from homing.local.up import run

    run(options)


def infra(data: Path, fresh: bool) -> None:
    """`homing infra`."""
    _needs_embedded("psutil", "aiohttp")
    from homing.local.infra import run

    run(data, fresh)


def migrate(adopt_stream: bool) -> None:
    """`homing migrate`."""
    # By name: the library's own composition roots are looked up like everybody's.
    importlib.import_module("homing.migrate").main(adopt_stream=adopt_stream)


def installed_process(name: str) -> None:
    """Run the process that a distribution registered under the entry point group.

    So the library finds `homing_api` and its sisters without importing them.
    """
    found = importlib.metadata.entry_points(group=GROUP, name=name)
    if not found:
        raise NotInstalled(f"no distribution has an entry point '{name}' in the group '{GROUP}'")
    next(iter(found)).load()()


def _needs_embedded(*modules: str) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise NotInstalled(f"{error.name}: pip install 'homing[server,embedded]'") from error
