"""Sends what follows from the OpenAPI document to a gateway of its own: `make fuzz`.

A status of 500 or more, or an answer that the document does not have, fails. The seed is fixed; it ends after a minute. The
paths of the older generation are served by the same handlers, and left out.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.whole_site import whole_site

_SECONDS = 60
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


async def main(arguments: list[str]) -> int:
    with TemporaryDirectory(prefix="panel-gateway-fuzz-") as folder:
        async with whole_site(Path(folder)) as site:
            document = f"{site.url}/gateway/v1/openapi.json"
            process = await asyncio.create_subprocess_exec(
                *(str(Path(sys.executable).with_name("st")), "run", document, "--auth", "admin:123456"),
                *("--checks", _CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", "1", "--max-time", str(_SECONDS)),
                *("--exclude-path-regex", "^/api/v0/", "--no-color", "--warnings", "off", *arguments),
                cwd=folder,
            )
            return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
