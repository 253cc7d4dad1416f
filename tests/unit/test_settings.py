"""Settings: read once, every problem named."""

from pathlib import Path

import pytest

from homing.errors import SettingsError
from homing.settings import ApiSettings, MigrateSettings, ReactorSettings, WebSettings, load


def test_every_problem_is_listed_at_once() -> None:
    """An operator mends all of them in one go."""
    with pytest.raises(SettingsError) as caught:
        load(ApiSettings, {"HOMING_PORT": "x", "HOMING_DEMO": "maybe", "HOMING_PARTITIONS": "0"})
    text = str(caught.value)
    for name in ("PORT", "DEMO", "PARTITIONS", "NATS_URL", "POSTGRES_URL", "SESSION_KEYS"):
        assert f"HOMING_{name}" in text


@pytest.mark.parametrize("name", ["NATS_URL", "POSTGRES_URL"])
def test_what_is_no_url_is_a_problem(name: str) -> None:
    """Said at the start, not by a driver that cannot connect."""
    urls = {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL": "postgresql://x"}
    with pytest.raises(SettingsError, match=f"HOMING_{name}"):
        load(ReactorSettings, {**urls, f"HOMING_{name}": "x"})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("NATS_URL", "nats://u:secret@host:PORT"),
        ("NATS_URL", "nats://[::1"),
        ("NATS_URL", "nats://u:sec/ret@host"),
        ("POSTGRES_URL", "postgresql://u:secret@a:5432,b:x/homing"),
        ("API_URL", "http://[::1"),
        ("API_URL", "http://host:99999"),
    ],
)
def test_a_port_that_is_none_is_a_problem_with_its_name(name: str, url: str) -> None:
    """Not a traceback, nor a wait without end; and what may be a secret is not repeated."""
    kind = WebSettings if name == "API_URL" else ReactorSettings
    urls = {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL": "postgresql://x"}
    with pytest.raises(SettingsError, match=f"HOMING_{name}: its port") as caught:
        load(kind, {**urls, f"HOMING_{name}": url})
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p,w%2F@a:5432,[::1]:5433/homing?options=-c%20x=y,z:w",
        "postgresql:///homing?host=/run/postgresql",
    ],
)
def test_what_postgres_takes_is_taken(url: str) -> None:
    """Several hosts, a socket, commas in the password and in the options."""
    given = {"HOMING_NATS_URL": "nats://u:p@[::1]:4222", "HOMING_POSTGRES_URL": url}
    assert load(ReactorSettings, given).postgres_url == url


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    """`…_FILE` names a file that holds the value."""
    file = tmp_path / "url"
    file.write_text("postgresql://secret\n")
    got = load(
        ReactorSettings, {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL_FILE": str(file)}
    )
    assert got.postgres_url == "postgresql://secret"


def test_a_missing_secret_file_is_a_problem_with_its_name(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(SettingsError, match=r"HOMING_API_URL.*No such file"):
        load(WebSettings, {"HOMING_API_URL_FILE": str(tmp_path / "none")})


def test_no_secret_has_a_default() -> None:
    """A process without secrets does not start."""
    with pytest.raises(SettingsError, match="HOMING_SESSION_KEYS is not set"):
        load(ApiSettings, {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL": "postgresql://x"})


@pytest.mark.parametrize("window", ["inf", "nan", "0", "1e9"])
def test_the_duplicate_window_has_an_end(window: str) -> None:
    """Said by its name, and not by a traceback of whoever counts its nanoseconds."""
    given = {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL": "postgresql://x"}
    with pytest.raises(SettingsError, match="HOMING_DUPLICATE_WINDOW_SECONDS"):
        load(MigrateSettings, {**given, "HOMING_DUPLICATE_WINDOW_SECONDS": window})
    assert load(MigrateSettings, given).duplicate_window_seconds == 300


@pytest.mark.parametrize("outcomes", ["7", "6.5"])
def test_outcomes_must_be_kept_longer_than_commands(outcomes: str) -> None:
    """Else a command that comes again would take effect again; both names are said."""
    given = {"HOMING_NATS_URL": "nats://x", "HOMING_POSTGRES_URL": "postgresql://x"}
    with pytest.raises(SettingsError) as caught:
        load(ReactorSettings, {**given, "HOMING_OUTCOME_RETENTION_DAYS": outcomes})
    for name in ("OUTCOME", "COMMAND"):
        assert f"HOMING_{name}_RETENTION_DAYS" in str(caught.value)
    assert load(ReactorSettings, {**given, "HOMING_OUTCOME_RETENTION_DAYS": "7.5"})
