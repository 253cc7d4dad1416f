"""The command line. `main` is the console entry point; each command imports what it needs itself.

Starting quickly matters: `homing up` starts five of these at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command in `sys.argv`; the exit code is the command's."""
    from homing.cli.app import run  # noqa: PLC0415 - importing homing.cli stays free

    sys.exit(run(sys.argv[1:]))
