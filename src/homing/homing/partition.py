"""Which partition a key belongs to, and what a command's subject is. Pure.

NATS's own `partition()` subject mapping computes the same, so that other publishers can be mapped
by the server.
"""

from __future__ import annotations

import re

from homing.identity import token

STREAM = "HOMING_COMMANDS"
COMMANDS = "homing.commands"
_PLAIN = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_-]*")


def key_token(key: str) -> str:
    """The key as one subject token; distinct keys have distinct tokens."""
    return key if _PLAIN.fullmatch(key) else "_" + token(key.encode())


def fnv1a(text: str) -> int:
    """FNV-1a, 32 bits (draft-eastlake-fnv)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key` among `partitions`."""
    return fnv1a(key_token(key)) % partitions


def subject_of(command_type: str, partition: int) -> str:
    """The subject that a command is published to; the number is not padded."""
    return f"{COMMANDS}.{partition}.{command_type}"


def consumer_of(partition: int) -> str:
    """The durable consumer of a partition."""
    return f"partition-{partition}"
