"""The command line itself: its errors are messages with an exit code, never tracebacks."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from homing.cli import app
from homing.cli.starting import NotInstalled, installed_process
from homing.errors import HomingError, SettingsError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bogus"], 'Unknown command "bogus"'),
        (["up", "--reactors", "many"], "--reactors"),
        (["up", "--reactors", "-1"], "Must be >= 0"),
        (["up", "--port", "70000"], "Must be <= 65535"),
        (["up", "now"], "Unused Tokens"),
        (["send", "locations.register"], "either --json"),
        (["send", "--json", "{}"], "TYPE"),
        (["send", "a.b", "--json", "{}", "--file", "-"], "either --json"),
        (["send", "--file", "-", "--idempotency-key", "k"], "--idempotency-key"),
        (["send", "a.b", "--json", "{}", "--wait", "-1"], "Must be >= 0"),
        (["status"], "requires an argument"),
        (["outcomes", "--limit", "201"], "Must be <= 200"),
        (["outcomes", "--output", "xml"], "--output"),
    ],
)
def test_bad_usage_ends_with_2(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """What was wrong is said on standard error."""
    assert app.run(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError(["HOMING_NATS_URL is not set", "HOMING_PORT: not a number"]), 2),
        (HomingError("The sky fell."), 1),
    ],
)
def test_known_errors_are_messages(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: HomingError,
    code: int,
) -> None:
    """Each problem is listed, without a traceback."""

    def fail(_adopt_stream: bool) -> None:
        raise error

    monkeypatch.setattr(app.starting, "migrate", fail)
    assert app.run(["migrate"]) == code
    printed = capsys.readouterr().err
    assert printed == f"homing: {error}\n"


def test_a_process_that_is_not_installed_is_named() -> None:
    """The message names the entry point that is missing."""
    with pytest.raises(NotInstalled, match=r"'nobody' in the group 'homing\.processes'"):
        installed_process("nobody")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`homing version` prints the installed version alone."""
    assert app.run(["version"]) == 0
    assert capsys.readouterr().out == f"{version('homing')}\n"


def test_starting_is_light() -> None:
    """No command pays for the HTTP client, the servers or the broker of another."""
    heavy = ("aiohttp", "nats", "asyncpg", "quart", "hypercorn", "psutil", "homing.local.up")
    code = f"import sys, homing.cli.app; sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.stderr.strip() == "[]"


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`homing COMMAND --help` explains it, the exit codes of `send` included."""
    for name in ("up", "infra", "api", "reactor", "web", "migrate", "send", "version"):
        assert app.run([name, "--help"]) == 0
    assert "3 rejected, 4 failed, 5 still pending" in " ".join(capsys.readouterr().out.split())
