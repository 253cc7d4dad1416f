"""How many partitions a reactor should hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def fair_share(instance: str, live: Sequence[str], partitions: int) -> int:
    """The share of `instance` among the live ones, by rank.

    Shares differ by at most one and add up to `partitions`; surplus reactors stand by with 0.
    """
    ranked = sorted(set(live))
    if instance not in ranked:
        return 0
    share, rest = divmod(partitions, len(ranked))
    return share + (ranked.index(instance) < rest)
