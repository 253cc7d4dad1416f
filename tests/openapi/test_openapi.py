"""Every operation holds what the OpenAPI document says of it, whatever it is sent."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from support.place import Place
from support.running import running_api, running_reactor

DECLARED_LINKS = 6
"""45 in all, most of them guessed by schemathesis: at least as many are followed."""
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "ignored_auth,unsupported_method"
)


# 413 is how too many commands in one request are refused, which the default list leaves out.
CONFIG = """
[auth.openapi.session]
api_key = "{session}"
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 413, 415, 422]
"""


async def test_the_document_is_valid(place: Place) -> None:
    """By the schema of OpenAPI 3.1 itself."""
    async with running_api(place) as url, httpx.AsyncClient(base_url=url) as one:
        validate((await one.get("/api/openapi.json")).json())


@pytest.mark.timeout(300)
async def test_every_operation_holds(place: Place, tmp_path: Path) -> None:
    """Schemathesis finds no answer that the document does not announce; links are followed."""
    async with (
        running_reactor(place),
        # Streams end by themselves here, or each would be waited for.
        running_api(place, stream_lifetime_seconds=1, streams_per_owner=1000) as url,
        httpx.AsyncClient(base_url=url) as one,
    ):
        await one.get("/api/session")
        config = tmp_path / "schemathesis.toml"
        config.write_text(CONFIG.format(session=one.cookies["homing_session"]), "utf-8")
        ran = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "--config-file", config,
            "run", f"{url}/api/openapi.json",
            "--checks", CHECKS, "--max-examples", "12", "--seed", "1",
            "--request-timeout", "10", "--no-color",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await ran.communicate()
    assert ran.returncode == 0, said.decode()
    followed = re.search(r"API Links:\s+(\d+) covered", said.decode())
    assert followed is not None, said.decode()
    assert int(followed[1]) >= DECLARED_LINKS
