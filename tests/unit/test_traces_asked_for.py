"""Traces: what costs nothing until it is asked for, what is refused if asked for wrongly."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog
from opentelemetry import trace

from homing import tracing
from homing.errors import SettingsError
from homing.identity import traced
from homing.tracing.beginning import recorded
from homing.tracing.exporting import exporting
from homing.tracing.requests import served, submits
from homing.tracing.settings import Tracing, read
from homing_web.forwarding import request_headers
from support.waiting import until

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-1] + "0"
HEAVY = """
import sys
import homing_api.main, homing_reactor.main, homing_web.main
print(*(one for one in sys.modules if one == "grpc" or one.startswith("opentelemetry.sdk")
        or one.startswith("opentelemetry.exporter") or one.startswith("opentelemetry.proto")))
"""


def off() -> Tracing | None:
    """What an environment without any of the variables asks for."""
    return read({}, "homing-api")


async def test_nothing_is_recorded_unless_it_is_asked_for() -> None:
    """No tracer, no span, no exemplar; what asks costs a look at a variable."""
    assert off() is None
    seen: list[object] = []

    async def work() -> None:
        assert not tracing.active()
        assert not tracing.wanted(SAMPLED)
        with tracing.step("commit", "COMMIT"):
            seen.append(tracing.current_exemplar())
        seen.append(tracing.current())
        assert tracing.start("write", SAMPLED) is trace.INVALID_SPAN

    await recorded(None, work)
    assert seen == [None, None]


def test_processes_without_traces_import_neither_sdk_nor_exporters() -> None:
    """They are large, and gRPC starts threads of its own."""
    said = subprocess.run(
        [sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == ""


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"},
        {"OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": " otlp "},
    ],
)
def test_an_exporter_or_an_endpoint_turns_them_on(environ: dict[str, str]) -> None:
    """With the defaults of the specification."""
    assert read(environ, "homing-api") == Tracing(
        ("otlp",), "http/protobuf", "parentbased_always_on", 1.0, "homing-api"
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_TRACES_EXPORTER": "", "OTEL_SERVICE_NAME": "mine"},
    ],
)
def test_they_stay_off(environ: dict[str, str]) -> None:
    """Disabled, without an exporter, or with a variable that is empty, which is as if unset."""
    assert read(environ, "homing-api") is None


def test_what_is_said_for_traces_alone_comes_first() -> None:
    """As for the SDK's own variables; a name may come with the resource."""
    asked = read(
        {
            "OTEL_TRACES_EXPORTER": "otlp,console",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.01",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=loop,deployment.environment.name=trial",
        },
        "homing-api",
    )
    assert asked == Tracing(("otlp", "console"), "grpc", "traceidratio", 0.01, "loop")
    assert not asked.parent_based


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SDK_DISABLED", "yes"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_EXPORTER", "otlp,none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "=hunter2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x y=hunter2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", 'api-key=hunter2"x"'),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2;b=1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=%ZZ"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=a%0Ab"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=a%7F"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/at/all"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "-----BEGIN PRIVATE KEY-----hunter2"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "hunter2" * 1000),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "inf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "99999999999"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "9" * 5000),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1e12"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str) -> None:
    """At start, and without repeating what may be a secret."""
    with pytest.raises(SettingsError) as error:
        read({"OTEL_TRACES_EXPORTER": "otlp"} | {name: value}, "homing-api")
    (problem,) = error.value.problems
    assert problem.startswith(f"{name} ")
    assert "hunter2" not in problem


def test_headers_as_collectors_want_them_are_taken() -> None:
    """Encoded or not, as the exporters read them."""
    said = "api-key=abc%20d==,Authorization=Bearer abc.def-_~+/="
    assert read({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": said}, "x")


@pytest.mark.parametrize("header", ["auth-bin=hunter2", "AUTH-BIN =hunter2", "x!y=hunter2"])
def test_a_header_that_grpc_cannot_send_is_named(header: str) -> None:
    """Over HTTP it can be sent."""
    asked = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": f"a.b-binx=1,{header}"}
    assert read(asked, "homing-api")
    with pytest.raises(SettingsError, match="OTLP_HEADERS has a key that gRPC") as error:
        read(asked | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "homing-api")
    assert "hunter2" not in str(error.value)


def test_grpc_has_no_deflate() -> None:
    """Its exporter would end the process with a traceback."""
    asked = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "deflate",
    }
    with pytest.raises(SettingsError, match="none, gzip"):
        read(asked, "homing-api")


def test_all_that_is_wrong_is_listed() -> None:
    """An operator mends it in one go."""
    with pytest.raises(SettingsError) as error:
        read(
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_TRACES_SAMPLER": "x",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "x",
                "OTEL_BSP_MAX_QUEUE_SIZE": "x",
            },
            "homing-api",
        )
    assert len(error.value.problems) == 3


def test_only_requests_that_bring_commands_are_traced() -> None:
    """By a template; other routes, and streams that last for hours, are not."""
    assert submits("POST", "/api/commands") == "/api/commands"
    assert submits("POST", "/api/commands/tally.add") == "/api/commands/{type}"
    for method, path in (
        ("GET", "/api/commands/x"), ("POST", "/api/commands/x/events"), ("POST", "/api/commandsx"),
        ("POST", "/api/session"),
    ):  # fmt: skip
        assert submits(method, path) is None


def test_a_server_of_the_page_that_records_nothing_passes_the_senders_trace_on() -> None:
    """As it came: it has no part in it."""
    mine = (b"traceparent", SAMPLED.encode())
    scope = {"headers": [(b"host", b"x"), mine], "scheme": "http", "client": None}
    assert mine in request_headers(scope)


class Broken:
    """A collector that answers, but only with errors until it is mended."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 400
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                outer.asked += 1

            def log_message(self, *_said: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def broken() -> Iterator[Broken]:
    broken = Broken()
    thread = threading.Thread(target=broken.server.serve_forever)
    thread.start()
    yield broken
    broken.server.shutdown()
    broken.server.server_close()
    thread.join()


@pytest.fixture
def asked(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> Tracing:
    """Traces that go there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", broken.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    return Tracing(("otlp",), "http/protobuf", "parentbased_always_on", 1.0, "homing-api")


async def test_a_collector_that_is_away_is_said_once_and_once_that_it_is_back(
    broken: Broken, asked: Tracing
) -> None:
    """However many batches it does not take."""
    with structlog.testing.capture_logs() as said:
        async with exporting(asked):
            for _ in range(4):
                count = broken.asked
                tracing.start("write", SAMPLED).end()
                await until(lambda count=count: broken.asked > count)  # type: ignore[misc]
            broken.status = 200
            tracing.start("write", SAMPLED).end()
            await until(lambda: len(said) > 1)
    assert [one["event"] for one in said] == ["traces.lost", "traces.exported_again"]
    assert "400" in said[0]["why"]
    assert said[1]["lost"] == 4


async def test_an_exemplar_is_the_trace_that_can_be_looked_at(
    broken: Broken, asked: Tracing
) -> None:
    """Only of a span that is recorded and sampled; and a step is a child of that."""
    broken.status = 200
    async with exporting(asked):
        assert tracing.current_exemplar() is None
        with tracing.inside(tracing.start("round", SAMPLED)):
            assert tracing.current_exemplar() == {"trace_id": SAMPLED[3:35]}
            with tracing.step("fence", "UPDATE homing.partitions", 3) as step:
                assert tracing.current() is step
        with tracing.inside(tracing.start("round", UNSAMPLED)):
            assert tracing.current_exemplar() is None
            assert tracing.step("fence") is tracing.step("load")  # nothing is made
        assert tracing.declined(UNSAMPLED)
        assert not tracing.declined(SAMPLED)
        assert not tracing.declined("")


async def test_what_begins_beside_a_trace_is_recorded_if_that_is(
    broken: Broken, asked: Tracing
) -> None:
    """A round of commands of which one is sampled, whatever the ratio says of its own id."""
    broken.status = 200
    async with exporting(asked._replace(sampler="parentbased_traceidratio", ratio=0.0)):
        assert not tracing.start("round", "").is_recording()
        assert not tracing.start("round", "", links=[UNSAMPLED]).is_recording()
        beside = tracing.start("round", "", links=[UNSAMPLED, SAMPLED])
        assert beside.is_recording()
        assert tracing.traceparent_of(beside)[3:35] != SAMPLED[3:35]
    async with exporting(asked._replace(sampler="always_off")):
        assert not tracing.start("round", "", links=[SAMPLED]).is_recording()
    async with exporting(asked._replace(sampler="always_on")):
        assert tracing.wanted(UNSAMPLED)
        assert tracing.start("process", UNSAMPLED).is_recording()


async def test_what_the_ratio_does_not_want_is_not_begun(broken: Broken, asked: Tracing) -> None:
    """A quarter is begun, with ids that others who sample a quarter by the id want as well."""
    broken.status = 200
    async with exporting(asked._replace(sampler="parentbased_traceidratio", ratio=0.25)):
        spans = [tracing.start("POST /api/commands", "") for _ in range(4000)]
        assert not tracing.start("write", UNSAMPLED).is_recording()
        assert tracing.start("write", SAMPLED).is_recording()
        malformed = [tracing.start("write", "00-xyz") for _ in range(200)]
    begun = [one for one in spans if one is not trace.INVALID_SPAN]
    assert all(one.is_recording() for one in begun)
    assert 860 < len(begun) < 1140  # five times its deviation
    lower = [one.get_span_context().trace_id & (1 << 64) - 1 for one in begun]
    assert max(lower) < 1 << 62
    assert len({one.get_span_context().trace_id for one in begun}) == len(begun)
    assert {one.is_recording() for one in malformed} == {True, False}


async def test_a_request_that_is_not_recorded_says_so_to_whoever_it_is_passed_on_to(
    broken: Broken, asked: Tracing
) -> None:
    """Else the next process would draw once more, and record what begins in its midst."""
    broken.status = 200
    passed_on: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed_on.extend(
            value.decode() for name, value in scope["headers"] if name == b"traceparent"
        )

    scope = {
        "type": "http", "method": "POST", "path": "/api/commands", "scheme": "http",
        "headers": [(b"traceparent", b"00-xyz"), (b"host", b"here")],
    }  # fmt: skip
    async with exporting(asked._replace(sampler="parentbased_traceidratio", ratio=0.0)):
        await served(app, passes_on=True)(scope, None, None)
    (said,) = passed_on
    known = traced(said)
    assert known is not None
    assert not known.sampled
