"""The series that the catalogue of metrics knows, as queries name them."""

from __future__ import annotations

import re

from homing import telemetry

_ENDS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_NAMED = re.compile(r"\b(?:homing|process|python)_[a-z_]+")
_NO_METRICS = {"homing_api", "homing_reactor", "homing_web", "homing_migrator"}
"""Packages and roles, which are called alike."""


def known() -> set[str]:
    """Every series."""
    return {name + end for name, entry in telemetry.CATALOGUE.items() for end in _ENDS[entry.kind]}


def named(text: str) -> set[str]:
    """The metrics that a query or a page names."""
    return set(_NAMED.findall(text)) - _NO_METRICS


def unknown(text: str) -> set[str]:
    """Those of them that are neither in the catalogue nor of every Python process."""
    return {one for one in named(text) - known() if not one.startswith(("process_", "python_"))}
