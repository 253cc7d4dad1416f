"""The page of the API's documentation: Swagger UI from its wheel, nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from quart import Blueprint, Response, abort

_FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Homing API</title>
    <link rel="stylesheet" href="/api/docs/swagger-ui.css">
    <link rel="icon" href="/api/docs/favicon-32x32.png">
    <script src="/api/docs/swagger-ui-bundle.js" defer></script>
    <script src="/api/docs/start.js" defer></script>
  </head>
  <body><div id="swagger-ui">Loading the API's documentation needs JavaScript.</div></body>
</html>
"""
_START = (
    'SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#swagger-ui", deepLinking: true,'
    " displayRequestDuration: true});\n"
)
# Swagger UI styles its elements inline and draws its icons as data URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
)


def docs_page(document: bytes) -> Blueprint:
    """`/api/openapi.json`, and `/api/docs` with what it needs."""
    pages = Blueprint("docs", __name__)
    static = files("swagger_ui") / "static"
    held = {name: (static / name).read_bytes() for name in _FILES}

    @pages.get("/api/openapi.json")
    async def openapi() -> Response:
        return Response(document, content_type="application/json")

    @pages.get("/api/docs")
    async def docs() -> Response:
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(_PAGE, content_type="text/html; charset=utf-8", headers=headers)

    @pages.get("/api/docs/<name>")
    async def file(name: str) -> Response:
        if name == "start.js":
            return Response(_START, content_type=_FILES["swagger-ui-bundle.js"])
        if name not in held:
            abort(404)
        headers = {"Cache-Control": "max-age=3600"}
        return Response(held[name], content_type=_FILES[name], headers=headers)

    return pages
