"""How spans speak of messages: OpenTelemetry's semantic conventions, with NATS. Pure."""

from __future__ import annotations

from opentelemetry.util.types import AttributeValue

COMMANDS = "homing.commands.{partition}.{type}"
OUTCOMES = "homing.outcomes.{owner}.{command_id}"
_TYPES = {"publish": "send", "process": "process"}


def name_of(operation: str, template: str) -> str:
    """The name of a span: never more than templates."""
    return f"{operation} {template}"


def attributes_of(
    operation: str, template: str, subject: str, command_id: str | None, size: int
) -> dict[str, AttributeValue]:
    """What any message has: where to, which, how many bytes."""
    said: dict[str, AttributeValue] = {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": _TYPES[operation],
        "messaging.destination.template": template,
        "messaging.destination.name": subject,
        "messaging.message.body.size": size,
    }
    if command_id:
        said["messaging.message.id"] = command_id
    return said
