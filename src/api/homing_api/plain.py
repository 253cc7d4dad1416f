"""Plain decimal numbers in headers and queries. Pure.

Python's own conversions take more than a client may mean: digits of other scripts, underscores,
`inf`, exponents, white space.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")


def number(text: str) -> float | None:
    """The number from 0 on that `text` is; None if it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def whole(text: str) -> int | None:
    """The whole number from 0 on that `text` is; None if it is none."""
    return int(text) if _NUMBER.fullmatch(text) and "." not in text else None
