"""What only helps those who read the page's source is not sent: comments and white space. Pure.

Two thirds of the bytes are left, with every name and statement as it was written. It knows just
enough of the two languages, and asks three things of our source: statements end with a semicolon,
no template stands inside another, and a regular expression follows `(`, `=` or `,`.
"""

from __future__ import annotations

import re

_SCRIPT = re.compile(
    r"""
    \s* (?P<kept>
        "(?:[^"\\\n]|\\.)*" | `(?:[^`\\]|\\.)*` | (?<=[(=,])/(?![/*])(?:[^/\\\n]|\\.)+/
    ) \s*
    | (?P<gone> /\*.*?\*/ | //[^\n]* )
    | \s* (?P<mark> [{}()\[\],;:?=<>|&!*]+ ) \s*
    | (?P<space> \s+ )
    """,
    re.DOTALL | re.VERBOSE,
)
_STYLE = re.compile(
    r"""
    (?P<kept> "[^"\n]*" )
    | (?P<gone> /\*.*?\*/ )
    | \s* (?P<mark> [{};,]+ | :(?=\s) ) \s*
    | (?P<space> \s+ )
    """,
    re.DOTALL | re.VERBOSE,
)
_LAST = re.compile(r"[;,]+(?=[}\])])")


def script(source: str) -> str:
    """A script, or a module."""
    return _squeeze(_SCRIPT, source)


def style(source: str) -> str:
    """A style sheet."""
    return _squeeze(_STYLE, source)


def _squeeze(tokens: re.Pattern[str], source: str) -> str:
    # Twice, as a comment that is gone may have stood between two spaces.
    for _ in range(2):
        source = tokens.sub(_said, source)
    return source.strip()


def _said(match: re.Match[str]) -> str:
    if match["kept"]:
        return match["kept"]
    if match["mark"]:
        # `for (;;)` keeps its marks: there a parenthesis follows, and nothing stands between.
        mark = match["mark"]
        return mark if "(;" in mark else _LAST.sub("", mark)
    return " " if match["space"] else ""
