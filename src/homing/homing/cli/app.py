"""The commands of `homing` and what becomes of their errors.

Exit codes: 0 well ended, 1 something failed, 2 bad usage or bad settings; `homing send` adds its
own. Errors that Homing knows are one message on standard error, never a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from homing.cli import dead_letters, starting
from homing.cli.showing import Output
from homing.errors import HomingError, SettingsError
from homing.local.options import Options

FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 130
READER_GONE = 141

DEFAULTS = Options()
Switch = Parameter(negative="")
Dash = Parameter(allow_leading_hyphen=True)  # `-` is standard input

app = App(
    name="homing",
    help="Every accepted command comes home to the client that sent it.",
    version=lambda: installed_version("homing"),
    result_action="return_value",
)


def run(words: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    try:
        result = app(words, exit_on_error=False, print_error=True)
    except CycloptsError:  # printed already
        return BAD_USAGE
    except SettingsError as error:
        print(f"homing: {error}", file=sys.stderr)
        return BAD_USAGE
    except HomingError as error:
        print(f"homing: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", FAILED))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `| head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    return result if isinstance(result, int) else 0


@app.command
def up(options: Annotated[Options, Parameter(name="*")] = DEFAULTS) -> None:
    """Run everything on this machine: NATS, Postgres, API, reactors, web. Ctrl-C stops it all."""
    starting.up(options)


@app.command
def infra(*, data: Path = Path(".homing"), fresh: Annotated[bool, Switch] = False) -> None:
    """Run NATS and Postgres alone, for processes in terminals of their own.

    Prints the settings for the other terminals, and keeps them in DATA/env.

    Parameters
    ----------
    data
        The folder that keeps what the servers store.
    fresh
        Delete what the servers stored there before starting.
    """
    starting.infra(data, fresh)


@app.command
def api() -> None:
    """Run the HTTP process. Its settings are HOMING_* in the environment."""
    starting.installed_process("api")


@app.command
def reactor() -> None:
    """Run a reactor, which applies commands. Its settings are HOMING_* in the environment."""
    starting.installed_process("reactor")


@app.command
def web() -> None:
    """Run the server of the page. Its settings are HOMING_* in the environment."""
    starting.installed_process("web")


@app.command
def migrate(*, adopt_stream: Annotated[bool, Switch] = False) -> None:
    """Create or update the database's schema, the stream and its consumers.

    Parameters
    ----------
    adopt_stream
        Go on with the stream as it is now, though it is not the one that the database knows: it
        was made anew, restored or rolled back. All reactors have to be stopped.
    """
    starting.migrate(adopt_stream)


@app.command
def version() -> None:
    """Print the version."""
    print(installed_version("homing"))


@dataclass(frozen=True, kw_only=True)
class Client:
    """What every command that speaks to a running Homing takes."""

    url: Annotated[str, Parameter(env_var="HOMING_URL")] = "http://127.0.0.1:8080"
    """Where Homing serves."""
    session_file: Annotated[Path | None, Parameter(env_var="HOMING_SESSION_FILE")] = None
    """The file that keeps the session, so that a later call sees the outcomes of this one."""
    output: Output = "auto"
    """`text` for people, `json` for programs; `auto` is text on a terminal."""


CLIENT = Client()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms a command is sent."""

    idempotency_key: str | None = None
    """Sending again with the same key does not do it again."""
    expires: str | None = None
    """Fail it as expired unless it is applied by then: seconds from now on, or an instant like
    2030-01-01T12:00:00Z."""


TERMS = Terms()


@app.command
def send(
    type: str | None = None,
    /,
    *,
    json: Annotated[str | None, Dash] = None,
    file: Annotated[Path | None, Dash] = None,
    wait: Annotated[float, Parameter(validator=Number(gte=0, lte=86_400))] = 10.0,
    terms: Annotated[Terms, Parameter(name="*")] = TERMS,
    client: Annotated[Client, Parameter(name="*")] = CLIENT,
) -> int:
    """Send a command, or a file of commands, and print what became of it.

    Exit codes: 0 succeeded, 3 rejected, 4 failed, 5 still pending after the wait, 2 bad input,
    1 Homing could not be reached or answered something else. Of a file, the worst.

    Parameters
    ----------
    type
        The command's type, as `locations.register`.
    json
        Its payload, a JSON object; `-` reads it from standard input.
    file
        JSON lines, each {"type": …, "payload": …}, or a payload if the type is given; `-` is
        standard input.
    wait
        How many seconds to wait for the outcome; 0 only submits.
    """
    from homing.cli import asking  # noqa: PLC0415 - loads an HTTP client

    return asking.send(client, asking.What(type, json, file, wait, terms))


@app.command
def status(
    command_id: str,
    /,
    *,
    seq: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    follow: Annotated[bool, Switch] = False,
    client: Annotated[Client, Parameter(name="*")] = CLIENT,
) -> int:
    """Print what became of a command of this session; the exit codes are those of `send`.

    Parameters
    ----------
    command_id
        The command's id.
    seq
        Its place in the stream, which proves that a pending command exists.
    follow
        Wait for the outcome, however long it takes.
    """
    from homing.cli import asking  # noqa: PLC0415 - loads an HTTP client

    return asking.status(client, command_id, seq, follow=follow)


@app.command
def outcomes(
    *,
    limit: Annotated[int, Parameter(validator=Number(gte=0, lte=200))] = 20,
    follow: Annotated[bool, Switch] = False,
    client: Annotated[Client, Parameter(name="*")] = CLIENT,
) -> int:
    """Print the latest outcomes of this session, the newest last.

    Parameters
    ----------
    limit
        How many of those that there are.
    follow
        Go on with those that come.
    """
    from homing.cli import asking  # noqa: PLC0415 - loads an HTTP client

    return asking.outcomes(client, limit, follow=follow)


app.command(dead_letters.app)
app.register_install_completion_command()
