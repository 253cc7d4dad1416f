"""`homing up` without its processes: how lines look, which ports and settings each one gets."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from homing import settings
from homing.local import account, infra, logview, plan, ports
from homing.local.account import Account
from homing.local.options import Options
from homing.local.plan import Place, Ports
from homing.local.screen import Screen
from homing.local.trouble import PortInUse
from homing.settings import ApiSettings, MigrateSettings, ReactorSettings, WebSettings

CHOSEN = Ports(8080, 8000, 9000, 9001, (9002, 9003))
PLACE = Place(
    "nats://homing:secret@127.0.0.1:4222",
    {f"homing_{name}": f"postgresql://homing_{name}@x/homing" for name in ("migrator", "api")}
    | {"homing_reactor": "postgresql://homing_reactor@x/homing"},
    "k" * 43,
)


def line(**fields: object) -> str:
    given = {"timestamp": "2030-01-02T03:04:05.678901Z", "level": "info", "action": "round.done"}
    return json.dumps({**given, **fields})


def test_a_json_line_is_readable() -> None:
    """Time, level, action and fields; text with a space is quoted, the service is the prefix."""
    shown = logview.render("reactor-1", line(service="reactor", n=3, why="no luck"), None)
    assert shown == ('reactor-1 | 03:04:05.678 info    round.done               n=3 why="no luck"')


def test_a_traceback_keeps_its_lines_and_its_name() -> None:
    """Every line of an exception carries the prefix of who failed."""
    shown = logview.render("api", line(exception="Traceback:\n  boom"), None).splitlines()
    assert [text[:11] for text in shown] == ["api       |"] * 3
    assert shown[2].endswith("      boom")


@pytest.mark.parametrize("text", ["Traceback (most recent call last):", "{broken", "[1]", ""])
def test_other_lines_are_shown_as_they_came(text: str) -> None:
    """Nothing that a process says is lost because it is not JSON."""
    assert logview.render("web", text, None) == f"web       | {text}"


HOSTILE = "\x1b]0;owned\x07\x1b[2J\rerror\x9b31m\u2028\x7f\x08\x00"


@pytest.mark.parametrize("field", ["action", "level", "timestamp", "why", HOSTILE, "exception"])
def test_no_field_moves_the_cursor_or_begins_a_line(field: str) -> None:
    """Whatever a client has sent: what is no sign is written out."""
    shown = logview.render("web", line(**{field: f"2030-01-02T{HOSTILE}\nweb | forged"}), None)
    assert all(one.isprintable() for one in shown.split("\n"))
    assert "owned" in shown or field == "timestamp"
    assert not any(one.startswith("web | forged") for one in shown.split("\n"))


def test_no_other_line_moves_the_cursor() -> None:
    """What paints may stay: a process that logs for a terminal has escaped the rest itself."""
    shown = logview.render("web", f"\x1b[2m03:04\x1b[0m\tx{HOSTILE}", 36)
    assert "\x1b[2m03:04\x1b[0m\tx\\x1b]0;owned\\x07\\x1b[2J\\rerror" in shown
    assert shown.count("\x1b") == 4


def test_colour_is_stable_and_only_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name keeps its colour; no terminal or NO_COLOR means no escape codes at all."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(stream: io.StringIO) -> list[str]:
        screen = Screen(stream)
        for name in ("api", "web", "api"):
            screen.line(name, line(level="error"))
        return stream.getvalue().splitlines()

    monkeypatch.delenv("NO_COLOR", raising=False)
    api, web, again = shown(Terminal())
    assert api == again
    assert api.split("api")[0] != web.split("web")[0]
    assert "\x1b" not in "".join(shown(io.StringIO()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(shown(Terminal()))


def test_a_reader_that_left_does_not_stop_us() -> None:
    """`homing up | head` goes on when head is gone."""
    stream = io.StringIO()
    screen = Screen(stream)
    stream.close()
    screen.say("one")
    screen.say("two")


def test_each_process_gets_settings_that_it_takes() -> None:
    """What is put into the environment is what the settings read, ports included."""
    api = settings.load(ApiSettings, plan.api(PLACE, CHOSEN))
    assert (api.port, api.internal_port, api.session_keys) == (8000, 9001, "k" * 43)
    reactor = settings.load(ReactorSettings, plan.reactor(PLACE, 9003))
    assert reactor.internal_port == 9003
    web = settings.load(WebSettings, plan.web(CHOSEN))
    assert (web.port, web.internal_port, web.api_url) == (8080, 9000, "http://127.0.0.1:8000")
    settings.load(MigrateSettings, plan.migrate(PLACE))


def test_each_process_speaks_postgres_as_itself() -> None:
    """The API cannot act as a reactor, and the page's server reaches no database."""
    urls = {
        "migrator": plan.migrate(PLACE)["HOMING_POSTGRES_URL"],
        "api": plan.api(PLACE, CHOSEN)["HOMING_POSTGRES_URL"],
        "reactor": plan.reactor(PLACE, 9002)["HOMING_POSTGRES_URL"],
    }
    assert all(f"homing_{name}@" in url for name, url in urls.items())
    assert not {"HOMING_POSTGRES_URL", "HOMING_NATS_URL"} & set(plan.web(CHOSEN))


def test_what_we_decide_is_not_inherited() -> None:
    """A variable of the terminal, as a value or as a file, cannot point a process elsewhere."""
    given = {
        "PATH": "/bin",
        "HOMING_POSTGRES_URL": "postgresql://elsewhere",
        "HOMING_NATS_URL_FILE": "/run/elsewhere",
        "HOMING_LOG_LEVEL": "debug",
        "HOMING_DEMO": "off",
    }
    kept = plan.inherited(given)
    assert not [value for value in kept.values() if "elsewhere" in value]
    assert kept["HOMING_LOG_LEVEL"] == "debug"
    assert kept["HOMING_DEMO"] == "off"
    assert plan.inherited({})["HOMING_DEMO"] == "on"


def test_default_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Web 8080/9000, API 8000/9001, reactors 9002 and up."""
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    assert plan.choose_ports(Options()) == CHOSEN
    moved = plan.choose_ports(Options(port=1, api_port=2, internal_port=30, reactors=1))
    assert moved == Ports(1, 2, 30, 31, (32,))


def test_all_ports_in_use_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message names every port that is taken and the option for each."""
    monkeypatch.setattr(ports, "is_free", lambda port: port not in (8080, 8000, 9002))
    with pytest.raises(PortInUse) as caught:
        plan.choose_ports(Options())
    said = str(caught.value)
    for port, option in ((8080, "--port"), (8000, "--api-port"), (9002, "--internal-port")):
        assert any(str(port) in part and option in part for part in said.splitlines())


def test_infra_writes_files_that_settings_take() -> None:
    """The exports of each file are a complete environment for their process."""
    files = {name: _exported(text) for name, text in infra.exports(PLACE).items()}
    settings.load(ApiSettings, files["env.api"])
    settings.load(ReactorSettings, files["env.reactor"])
    settings.load(WebSettings, files["env.web"])
    for kind in (ApiSettings, ReactorSettings, WebSettings, MigrateSettings):
        settings.load(kind, files["env"])


def test_the_folder_that_keeps_an_account_out_is_found(tmp_path: Path) -> None:
    """The outermost folder without the right to enter is named; the owner's right counts."""
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    mine = Account("me", os.getuid(), os.getgid())
    stranger = Account("stranger", 54_321, 54_321)
    assert account.closed_at(closed / "inner" / "x", mine) is None
    closed.chmod(0o600)
    assert account.closed_at(closed / "inner" / "x", mine) == closed
    assert account.closed_at(closed / "inner" / "x", stranger) in (closed, *closed.parents)


def _exported(text: str) -> dict[str, str]:
    pairs = (part.removeprefix("export ").split("=", 1) for part in text.splitlines())
    return {name: value.strip("'") for name, value in pairs}
