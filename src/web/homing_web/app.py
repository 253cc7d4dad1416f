"""The web process's application: `/api` goes through the proxy, all else is the page.

Every path that is neither `/api` nor a file gets the shell, whose script shows the route; a path
that the page does not know gets it with status 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from quart import Quart, Response, abort, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from homing.answers import problem
from homing.problems import kind_of
from homing_web.pages import SECURITY_HEADERS, Asset, modules_of, view_of

Application = Callable[[Any, Any, Any], Awaitable[None]]


def build(assets: Mapping[str, Asset], proxy: Application) -> Application:
    """The ASGI application that Hypercorn serves."""
    page = _page(assets)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and _is_api(scope["path"]):
            await proxy(scope, receive, send)
        else:
            await page(scope, receive, send)

    return app


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _page(assets: Mapping[str, Asset]) -> Quart:
    page = Quart(__name__, static_folder=None)
    shell = assets["index.html"]

    @page.get("/static/<path:name>")
    async def file(name: str) -> Response:
        asset = assets.get(name)
        return await serve_asset(asset) if asset else abort(404)

    @page.get("/", defaults={"path": ""})
    @page.get("/<path:path>")
    async def show(path: str) -> Response:
        view = view_of(f"/{path}")
        response = await serve_asset(shell, 200 if view else 404)
        modules = modules_of(assets, "app.js", *([view] if view else []))
        links = (f"</static/{name}>; rel=modulepreload" for name in modules)
        response.headers["Link"] = ", ".join(links)
        return response

    answer_errors(page)

    @page.after_request
    async def secure(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        return response

    return page


def answer_errors(page: Quart) -> None:
    """Answer what the page refuses as a problem document."""

    @page.errorhandler(HTTPException)
    async def refused(error: HTTPException) -> Response:
        status = error.code or 500
        said = problem(status, kind_of(error.name), error.description or "")
        headers = Headers([(key.decode(), value.decode()) for key, value in said.headers])
        if allowed := getattr(error, "valid_methods", None):
            headers["Allow"] = ", ".join(sorted(allowed))
        return Response(said.body, status, headers)


async def serve_asset(asset: Asset, status: int = 200) -> Response:
    """One file, or a 304 to who has it."""
    response = Response(asset.body, status, content_type=asset.content_type)
    response.headers["Cache-Control"] = "no-cache"
    if status == 200:
        response.set_etag(asset.etag)
        await response.make_conditional(request)
    return response
