"""Files that only their owner reads, written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text`, mode 0600, atomically."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Secrets:
    """Random words by name, kept in one private JSON file, made when first asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, name: str) -> str:
        """The word kept under `name`."""
        known = self._read()
        if name not in known:
            known[name] = secrets.token_urlsafe(32)
            write_private(self._path, json.dumps(known, indent=2) + "\n")
        return known[name]

    def __contains__(self, name: str) -> bool:
        """Whether a word was made for `name`."""
        return name in self._read()

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        return {str(k): str(v) for k, v in json.loads(self._path.read_text("utf-8")).items()}
