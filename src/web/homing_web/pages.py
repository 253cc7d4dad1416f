"""What the web process serves itself: the page's shell and its files, read once at start.

Held in memory with an ETag of their content (a file's time says nothing in a wheel or an image), so
that a browser revalidates with one short round trip and never shows the page of an older version.
Comments that stand on lines of their own are for those who read the source, and are served as empty
lines: a fifth of the bytes, and every line keeps its number.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_COMMENT = re.compile(
    rb"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.DOTALL | re.MULTILINE
)
# The page's own routes; every other path gets the same shell with a 404, and the page says so.
_KNOWN = re.compile(r"/|/locations/?|/locations/[^/]+")
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


def is_known(path: str) -> bool:
    """Whether the page has something to show at this path."""
    return _KNOWN.fullmatch(path) is not None


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    if path.suffix == ".js":
        body = _COMMENT.sub(lambda match: b"\n" * match[0].count(b"\n"), body)
    return Asset(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:20])
