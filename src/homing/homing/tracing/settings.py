"""What the standard `OTEL_*` variables ask of the traces, checked once at start. Pure.

The SDK reads them by itself, and goes on with its own defaults where one cannot be used; here that
is an error that names the variable. Those that it reads and that are not listed here (providers of
credentials) fail when they are used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from homing.errors import SettingsError

EXPORTERS = ("otlp", "console", "none")
PROTOCOLS = ("http/protobuf", "grpc")
SAMPLERS = (
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
    "always_on", "always_off", "traceidratio",
)  # fmt: skip
COMPRESSIONS = ("none", "gzip", "deflate")
"""The last one is not for gRPC."""
_KEY = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"(?:[ !#$&-+\x2d-:<-\[\]-~]|%(?![01]|7[Ff])[0-7][0-9A-Fa-f])*"
_HEADER = re.compile(rf"\s*{_KEY}\s*={_VALUE}")
"""As the exporters read it; what they cannot read they log, and it may be a secret."""
_METADATA = re.compile(rf"\s*(?![^=]*-bin\s*=)[0-9a-z_.-]+\s*={_VALUE}", re.IGNORECASE)
"""What gRPC sends of these: names of fewer signs, and none for bytes (its PROTOCOL-HTTP2.md)."""
QUEUE, BATCH = ("OTEL_BSP_MAX_QUEUE_SIZE", 2048), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
"""With the SDK's defaults."""
COUNTS = (
    QUEUE[0], BATCH[0], "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
)  # fmt: skip
COUNT_MAX = 2**31 - 1
LIMITS = tuple(
    f"OTEL_{limit}"
    for limit in (
        "ATTRIBUTE_COUNT_LIMIT", "ATTRIBUTE_VALUE_LENGTH_LIMIT", "SPAN_ATTRIBUTE_COUNT_LIMIT",
        "SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "SPAN_EVENT_COUNT_LIMIT", "SPAN_LINK_COUNT_LIMIT",
        "EVENT_ATTRIBUTE_COUNT_LIMIT", "LINK_ATTRIBUTE_COUNT_LIMIT",
    )
)  # fmt: skip


class Tracing(NamedTuple):
    """What to record, and where to."""

    exporters: tuple[str, ...]
    protocol: str
    sampler: str
    ratio: float
    """Of the traces that begin here, for the samplers that have one."""
    service: str
    """The name of the process in its spans."""

    @property
    def parent_based(self) -> bool:
        """Whether a trace that is not sampled where it came from is not sampled here."""
        return self.sampler.startswith("parentbased_")


def read(environ: Mapping[str, str], service: str) -> Tracing | None:
    """What is asked for; None if traces are off, as they are by default.

    They are on with an exporter, or with an endpoint for the default one (`otlp`). Raises
    `SettingsError`, which lists every problem at once.
    """
    said = _Said(environ)
    disabled = said.one_of("OTEL_SDK_DISABLED", ("true", "false"), "false")
    exporters = said.exporters()
    if disabled == "true" or not exporters:
        said.check()
        return None
    said.details()
    tracing = Tracing(
        exporters=exporters,
        protocol=said.otlp("PROTOCOL", lambda name: said.one_of(name, PROTOCOLS)) or PROTOCOLS[0],
        sampler=said.one_of("OTEL_TRACES_SAMPLER", SAMPLERS, SAMPLERS[0]),
        ratio=said.number("OTEL_TRACES_SAMPLER_ARG", 1.0, most=1.0),
        service=said.text("OTEL_SERVICE_NAME") or said.resource().get("service.name", service),
    )
    said.check()
    return tracing


class _Said:
    """The variables, and what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: dict[str, None] = {}

    def check(self) -> None:
        """Raises `SettingsError` if anything was wrong."""
        if self._problems:
            raise SettingsError(list(self._problems))

    def text(self, name: str) -> str:
        """A variable; empty if it is not set, as empty ones mean to OpenTelemetry."""
        return self._environ.get(name, "").strip()

    def otlp(self, name: str, read: Callable[[str], str]) -> str:
        """Of the variable for all signals and the one for traces, both read, the latter first."""
        general = read(f"OTEL_EXPORTER_OTLP_{name}")
        return read(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or general

    def exporters(self) -> tuple[str, ...]:
        """Where to."""
        name = "OTEL_TRACES_EXPORTER"
        default = "otlp" if self.otlp("ENDPOINT", self.text) else ""
        asked = [one.strip() for one in (self.text(name) or default).split(",") if one.strip()]
        for one in asked:
            self._allow(name, one, EXPORTERS)
        if "none" in asked and len(asked) > 1:
            self._wrong(name, "none goes with no other")
        return tuple(one for one in asked if one != "none")

    def details(self) -> None:
        """What the SDK reads by itself."""
        self.otlp("ENDPOINT", self._url)
        self.otlp("HEADERS", self._headers)
        compressions = COMPRESSIONS[:2] if self._grpc else COMPRESSIONS
        self.otlp("COMPRESSION", lambda name: self.one_of(name, compressions))
        for file in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
            self.otlp(file, self._file)
        self.otlp("TIMEOUT", lambda name: str(self.number(name, 10.0, above=0.0, most=86_400.0)))
        for name in COUNTS:
            self._count(name, 1, least=1)
        for name in LIMITS:
            self._count(name, 1, least=0)
        if self._count(*BATCH, least=1) > self._count(*QUEUE, least=1):
            self._wrong(BATCH[0], f"must not be larger than {QUEUE[0]}")

    @property
    def _grpc(self) -> bool:
        return self.otlp("PROTOCOL", self.text).lower() == "grpc"

    def resource(self) -> dict[str, str]:
        """The attributes of the process."""
        return self._pairs("OTEL_RESOURCE_ATTRIBUTES")

    def one_of(self, name: str, allowed: tuple[str, ...], default: str = "") -> str:
        """A word."""
        text = self.text(name).lower() or default
        if text:
            self._allow(name, text, allowed)
        return text

    def number(
        self, name: str, default: float, *, above: float | None = None, most: float | None = None
    ) -> float:
        """A number from 0 on, or above `above`."""
        text = self.text(name)
        try:
            value = float(text) if text else default
        except ValueError:
            value = -1.0
        enough = value > above if above is not None else value >= 0
        if not (enough and math.isfinite(value)) or (most is not None and value > most):
            least = f"above {above:g}" if above is not None else "from 0 on"
            upto = f", {most:g} at most" if most is not None else ""
            self._wrong(name, f"must be a number {least}{upto}, not {text!r:.50}")
        return value

    def _count(self, name: str, default: int, *, least: int) -> int:
        text = self.text(name)
        whole = text.isascii() and text.isdigit() and len(text) <= len(str(COUNT_MAX))
        if text and not (whole and least <= int(text) <= COUNT_MAX):
            said = f"must be a whole number from {least} to {COUNT_MAX}, not {text!r:.50}"
            self._wrong(name, said)
            return default
        return int(text or default)

    def _url(self, name: str) -> str:
        """Of a collector; without a password, which the exporters put into what they log."""
        text = self.text(name)
        if not text:
            return ""
        try:
            parts = urlsplit(text)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            usable = usable and "@" not in parts.netloc
        except ValueError:
            usable = False
        if not usable:
            said = "must be a URL such as http://collector:4318; what is secret is for"
            self._wrong(name, f"{said} {name.replace('ENDPOINT', 'HEADERS')}")
        return text

    def _pairs(self, name: str) -> dict[str, str]:
        """`key=value,…`; the values may be secrets, and are not repeated."""
        items = [one for one in self.text(name).split(",") if one.strip()]
        pairs = [one.partition("=") for one in items]
        if any(not key.strip() or not mark for key, mark, _ in pairs):
            self._wrong(name, "must be key=value, comma-separated, with what is special in %XX")
        return {key.strip(): value.strip() for key, _, value in pairs}

    def _headers(self, name: str) -> str:
        """Of each request to the collector."""
        items = [one for one in self.text(name).split(",") if one.strip()]
        if not all(_HEADER.fullmatch(one) for one in items):
            self._wrong(name, "must be key=value, comma-separated, with what is special in %XX")
        elif self._grpc and not all(_METADATA.fullmatch(one) for one in items):
            self._wrong(
                name,
                "has a key that gRPC does not send: letters, digits, _ . and - are "
                "allowed, and -bin at its end is not",
            )
        return ""

    def _file(self, name: str) -> str:
        """The path of a file; what is none may be the key itself, and is not repeated."""
        text = self.text(name)
        try:
            found = not text or Path(text).is_file()
        except (OSError, ValueError):  # too long, or with a NUL
            found = False
        if not found:
            self._wrong(name, "names no file")
        return text

    def _allow(self, name: str, text: str, allowed: tuple[str, ...]) -> None:
        if text not in allowed:
            self._wrong(name, f"must be one of {', '.join(allowed)}, not {text!r:.50}")

    def _wrong(self, name: str, why: str) -> None:
        self._problems[f"{name} {why}"] = None
