"""Step 1 of a command's way: from the bytes of a request to a command, or a problem. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from homing.commands import Command, has_nul
from homing.registry import Registry
from homing_api.problems import FieldError, Problem, invalid

JSON = "application/json"
_AT = re.compile(r"(.*?)(?: - at `\$(?:\.(.+))?`)?", re.DOTALL)
_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `([^`]+)`")


class Received(NamedTuple):
    """A valid command, and the bytes that said it."""

    command: Command
    payload: bytes


def receive(registry: Registry, command_type: str, content_type: str, body: bytes) -> Received:
    """Parse and validate. Raises a `Problem`: 404, 415, 400 or 422."""
    found = registry.find(command_type)
    if found is None:
        raise Problem(404, "unknown-command", f"There is no command {command_type!r:.200}.")
    check_media_type(content_type, JSON)
    return Received(decode(found[1], body), body)


def check_media_type(content_type: str, *allowed: str) -> str:
    """The media type, if it is one of `allowed`. Raises a 415."""
    media_type, _, parameters = content_type.partition(";")
    media_type, charset = media_type.strip().lower(), parameters.strip().lower().replace('"', "")
    utf8 = not charset.startswith("charset=") or charset in ("charset=utf-8", "charset=utf8")
    if media_type not in allowed or not utf8:
        said = f"not {content_type!r:.100}" if content_type else "and the request names none"
        raise Problem(
            415,
            "unsupported-media-type",
            f"The body has to be {' or '.join(allowed)} in UTF-8, {said}.",
            headers={"Accept-Post": ", ".join(allowed)},
        )
    return media_type


def decode(decoder: msgspec.json.Decoder[Command], body: bytes) -> Command:
    """Read a payload. Raises a 400 for what is no JSON, a 422 for what is no such command."""
    try:
        command = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid((field_error(error),)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "malformed", f"The body is no valid JSON: {error}") from error
    if has_nul(body):
        raise Problem(422, "invalid", "The payload holds U+0000, which cannot be stored.")
    return command


def field_error(error: msgspec.ValidationError) -> FieldError:
    """What msgspec says, with the path of the field apart from the words."""
    match = _AT.fullmatch(str(error))
    said, path = (match[1], match[2] or "") if match else (str(error), "")
    if named := _NAMED.match(said):
        path = f"{path}.{named[1]}" if path else named[1]
    return FieldError(path, said)
