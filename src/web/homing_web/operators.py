"""The operators' page, on the internal port alone: its files, and the way to the API's.

`/` leads to it. It is built of the public page's stones and stands at none of its addresses:
everything is below `/operator`, so that a gateway can let one prefix in, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quart import Quart, Response, abort, redirect
from werkzeug import Response as Redirection

from homing.answers import give, problem
from homing.hosts import known_host
from homing_web.app import Application, answer_errors, serve_asset
from homing_web.forwarding import header
from homing_web.pages import SECURITY_HEADERS, STATIC, Asset, modules_of, read_assets

PAGE = Path(__file__).parent / "operator"
SHARED = (
    *("browser.js", "dom.js", "fetching.js", "sse.js", "theme.js", "theme-choice.js", "times.js"),
    *("style.css", "icon.svg"),
)
_PASSED_ON = ("/operator/state", "/operator/events", "/operator/dead-letters/")
_MISDIRECTED = problem(
    421,
    "misdirected-request",
    "Operators are not served under this name; HOMING_OPERATOR_HOSTS lists others.",
)


def read_operator_assets() -> dict[str, Asset]:
    """The page's own files, and those that it shares with the public page."""
    public = read_assets(STATIC)
    return {**{name: public[name] for name in SHARED}, **read_assets(PAGE)}


def build_operators(
    assets: Mapping[str, Asset], proxy: Application | None, further_hosts: str
) -> Application:
    """What the internal port answers beside its probes; without `proxy` the page says why."""
    page = _page(assets)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not known_host(header(scope["headers"], b"host").decode("latin-1"), further_hosts):
            await give(send, _MISDIRECTED)
        elif not scope["path"].startswith(_PASSED_ON):
            await page(scope, receive, send)
        elif proxy is None:
            detail = "HOMING_API_INTERNAL_URL is not set: this process cannot ask the API."
            await give(send, problem(503, "unavailable", detail))
        else:
            await proxy(scope, receive, send)

    return app


def _page(assets: Mapping[str, Asset]) -> Quart:
    page = Quart(__name__, static_folder=None)
    page.url_map.strict_slashes = False
    shell = assets["index.html"]
    modules = modules_of(assets, "operator.js")
    links = ", ".join(f"</operator/static/{name}>; rel=modulepreload" for name in modules)

    @page.get("/")
    async def lead() -> Redirection:
        return redirect("/operator", 302)

    @page.get("/operator")
    async def show() -> Response:
        response = await serve_asset(shell)
        response.headers["Link"] = links
        return response

    @page.get("/operator/static/<path:name>")
    async def file(name: str) -> Response:
        asset = assets.get(name)
        return await serve_asset(asset) if asset else abort(404)

    answer_errors(page)

    @page.after_request
    async def secure(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        return response

    return page
