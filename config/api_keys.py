"""API keys for machines: random, so that one hash of them is enough."""

from __future__ import annotations

import hashlib
import secrets

_BEGIN = "pgk_"
"""People, and tools that look for lost secrets, know by it what this is."""


def new_key() -> str:
    """256 bits, in letters that need no quotes anywhere."""
    return _BEGIN + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """SHA-256 in hexadecimal, as the configuration has it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
