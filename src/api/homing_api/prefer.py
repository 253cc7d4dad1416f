"""How long the client prefers to wait for the outcome in the response (RFC 7240). Pure.

Of a preference that stands twice the first counts (section 2); what cannot be understood is
ignored, as the RFC says. Fractions of a second are taken, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.http import parse_list_header

from homing_api.plain import number


def wait_seconds(headers: Iterable[str]) -> float | None:
    """The value of `wait` in the `Prefer` fields; None if it is not asked for."""
    for header in headers:
        for preference in parse_list_header(header):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait":
                return number(value.strip().strip('"'))
    return None
