"""Which release of the program this is. The package's metadata and CHANGELOG.md say the same."""

from __future__ import annotations

from datetime import UTC, datetime

VERSION = "0.2.0"

RELEASE_DATE = "2026-11-27"
"""The day of the release in UTC. A clock that shows an earlier day is wrong for certain."""

RELEASED_AT = datetime.fromisoformat(RELEASE_DATE).replace(tzinfo=UTC).timestamp()
"""The beginning of that day in Unix seconds."""
