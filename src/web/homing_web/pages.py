"""What the web process serves itself: the page's shell and its files, read once at start.

Held in memory with an ETag of their content (a file's time says nothing in a wheel or an image), so
that a browser revalidates with one short round trip and never shows the page of an older version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import rcssmin  # type: ignore[import-untyped]  # carries no types
import rjsmin  # type: ignore[import-untyped]  # carries no types

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Comments and white space help those who read the source, and are a third of its bytes.
_SQUEEZED: dict[str, Callable[[str], str]] = {
    ".css": rcssmin.cssmin,
    ".html": lambda text: re.sub(r"^ +", "", text, flags=re.MULTILINE),
    ".js": rjsmin.jsmin,
}
# The page's own routes, with the module that shows each; every other path gets the same shell with
# a 404, and the page says so.
_ROUTES = (
    (re.compile(r"/|/locations/?"), "view-list.js"),
    (re.compile(r"/locations/new"), "view-create.js"),
    (re.compile(r"/locations/[^/]+"), "view-detail.js"),
    (re.compile(r"/commands(/[^/]*)?"), "view-commands.js"),
)
_IMPORT = re.compile(rb'from"\./([a-z-]+\.js)"')
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    body: bytes
    content_type: str
    etag: str


def read_assets(folder: Path = STATIC) -> dict[str, Asset]:
    """Every file of the page by its path below `/static/`; `index.html` is the shell."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): _asset(path) for path in files}


def view_of(path: str) -> str | None:
    """The module that shows this path; None if the page has nothing to show there."""
    return next((view for pattern, view in _ROUTES if pattern.fullmatch(path)), None)


def modules_of(assets: Mapping[str, Asset], *roots: str) -> list[str]:
    """The modules and all that they import, so that a browser can fetch them at once."""
    found: list[str] = []
    waiting = list(roots)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += [one.decode() for one in _IMPORT.findall(assets[name].body)]
    return found


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    if (shorten := _SQUEEZED.get(path.suffix)) is not None:
        body = shorten(body.decode()).encode()
    return Asset(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:20])
