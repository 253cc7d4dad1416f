"""The composition root of the web process: settings in, parts built, served, drained, closed.

Order of stopping: not ready; event streams end, spread over the drain window; the listeners close;
the client towards the API closes last.
"""

from __future__ import annotations

import asyncio
import os
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
        await _serve(settings, lifecycle, Proxy(session, settings.api_url))
    log.info("web.stopped")


async def _serve(settings: WebSettings, lifecycle: Lifecycle, proxy: Proxy) -> None:
    stop = asyncio.Event()
    page = build(read_assets(), proxy)
    probes = internal_app(lifecycle, Scrape("web", lifecycle))
    async with asyncio.TaskGroup() as parts:
        parts.create_task(
            serve(served(page), settings.bind, settings.port, stop, lifecycle.stopping)
        )
        parts.create_task(serve(probes, settings.bind, settings.internal_port, stop))
        lifecycle.started.set()
        log.info("web.started", port=settings.port, api=urlsplit(settings.api_url).hostname)
        await lifecycle.stopping.wait()
        await linger(proxy.drain(settings.drain_seconds), settings.drain_seconds)
        stop.set()
