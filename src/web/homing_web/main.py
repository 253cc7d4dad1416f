"""The composition root of the web process: settings in, parts built, served, drained, closed.

Order of stopping: not ready; event streams end, spread over the drain window; the listeners close;
the client towards the API closes last.
"""

from __future__ import annotations

import asyncio
import os
from typing import NamedTuple
from urllib.parse import urlsplit

from homing.lifecycle import Lifecycle, run
from homing.log import configure, get
from homing.scraping import Scrape
from homing.serving import internal_app, linger, serve
from homing.settings import WebSettings, load
from homing.tracing.beginning import recorded
from homing.tracing.requests import served
from homing.tracing.settings import read
from homing_web.app import build
from homing_web.operators import build_operators, read_operator_assets
from homing_web.pages import read_assets
from homing_web.proxy import Proxy, open_session

log = get(__name__)


def main() -> None:
    """Run the web process until it is told to stop."""
    settings = load(WebSettings)
    traces = read(os.environ, "homing-web")
    configure(settings, "web")
    run(lambda lifecycle: recorded(traces, lambda: serve_web(settings, lifecycle)))


async def serve_web(settings: WebSettings, lifecycle: Lifecycle) -> None:
    """Serve the page and `/api` until the lifecycle is stopping."""
    async with open_session() as session:
        inside = settings.api_internal_url
        proxies = Proxies(
            Proxy(session, settings.api_url), Proxy(session, inside) if inside else None
        )
        await _serve(settings, lifecycle, proxies)
    log.info("web.stopped")


class Proxies(NamedTuple):
    """The ways to the API."""

    public: Proxy
    operators: Proxy | None
    """To its internal port."""

    async def drain(self, seconds: float) -> None:
        """End what is open through either."""
        await asyncio.gather(*(proxy.drain(seconds) for proxy in self if proxy))


async def _serve(settings: WebSettings, lifecycle: Lifecycle, proxies: Proxies) -> None:
    stop = asyncio.Event()
    page = build(read_assets(), proxies.public)
    operators = build_operators(read_operator_assets(), proxies.operators, settings.operator_hosts)
    probes = internal_app(lifecycle, Scrape("web", lifecycle), beside=operators)
    traced = served(page, passes_on=True)
    async with asyncio.TaskGroup() as parts:
        parts.create_task(serve(traced, settings.bind, settings.port, stop, lifecycle.stopping))
        parts.create_task(serve(probes, settings.bind, settings.internal_port, stop))
        lifecycle.begin()
        log.info("web.started", port=settings.port, api=urlsplit(settings.api_url).hostname)
        await lifecycle.stopping.wait()
        await linger(proxies.drain(settings.drain_seconds), settings.drain_seconds)
        stop.set()
