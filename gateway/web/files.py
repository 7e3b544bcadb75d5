"""The files that pages are made of. Their address holds a digest of all of them, so that browsers keep them for good and never
mix two versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

from aiohttp import web

from config.event_kinds import KINDS

_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
)
_TYPES: Mapping[str, str] = MappingProxyType({".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"})
"""Not the host's idea of them, which may be empty or wrong: a browser runs no script of another type."""


@dataclass(frozen=True, slots=True)
class Files:
    """`base`: the path that they are below; `held`: their contents by the rest of the path."""

    base: str
    held: Mapping[str, bytes]

    @classmethod
    def of_the_package(cls) -> Files:
        """What the folder holds, and `kinds.js`, which says what kinds of events there are."""
        kinds = {name: [kind.category, kind.text] for name, kind in KINDS.items()}
        module = f"export const KINDS = {json.dumps(kinds, indent=0)};\n".encode()
        return cls.of({**dict(_below(resources.files("gateway.web").joinpath("static"))), "kinds.js": module})

    @classmethod
    def of(cls, held: Mapping[str, bytes]) -> Files:
        digest = hashlib.sha256()
        for name, content in sorted(held.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return cls(f"/static/{digest.hexdigest()[:16]}", held)

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info["path"]
        if name not in self.held:
            raise web.HTTPNotFound
        kind = _TYPES[name[name.rindex(".") :]]
        return web.Response(body=self.held[name], content_type=kind, charset="utf-8", headers=_HEADERS)


def _below(folder: Traversable, before: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{before}{entry.name}/")
        elif entry.name[entry.name.rfind(".") :] in _TYPES:
            yield before + entry.name, entry.read_bytes()
