"""What types alone cannot tell of webhooks and the manager: where they are, their secrets, the events that they are for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.event_kinds import KINDS
from config.findings import Finding
from config.nearest import did_you_mean
from config.raw_tables import Once, tables
from config.secret_files import secret_file


def webhooks(raw: Mapping[str, Any]) -> Iterator[Finding]:
    urls = Once()
    for path, webhook in tables(raw, "webhooks"):
        url = webhook.get("url")
        if isinstance(url, str):
            yield from _url(f"{path}.url", url_mistake(url))
            if before := urls.again(url, path):
                yield Finding(f"{path}.url", f"is already used at {before}")
        if isinstance(webhook.get("secret_file"), str):
            yield from secret_file(f"{path}.secret_file", Path(webhook["secret_file"]), "the secret")
        kinds = webhook.get("kinds")
        yield from _kinds(f"{path}.kinds", kinds if isinstance(kinds, list) else ())


def manager(raw: Mapping[str, Any]) -> Iterator[Finding]:
    found = raw.get("manager")
    if not isinstance(found, dict):
        return
    if isinstance(found.get("url"), str):
        yield from _url("manager.url", manager_mistake(found["url"]))
    if isinstance(found.get("password_file"), str):
        yield from secret_file("manager.password_file", Path(found["password_file"]), "the password")


def url_mistake(url: str) -> str | None:
    """Why a place cannot be sent to; None: it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "expected http://host or https://host, with a port and a path where needed"
    return "holds a fragment, which is never sent" if parts.fragment else None


def manager_mistake(url: str) -> str | None:
    """Why there can be no manager at a place; None: there can. It is shown to everybody who may look at settings."""
    if (mistake := url_mistake(url)) is not None:
        return mistake
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        return "holds a user or a password, which everybody could read who looks at it"
    return "holds a query, but names a place to go on from" if parts.query else None


def _url(key: str, mistake: str | None) -> Iterator[Finding]:
    if mistake is not None:
        yield Finding(key, mistake)


def _kinds(key: str, kinds: Collection[Any]) -> Iterator[Finding]:
    for index, kind in enumerate(kinds):
        if isinstance(kind, str) and kind not in KINDS:
            yield Finding(f"{key}[{index}]", f"no kind of event is named {kind!r}{did_you_mean(kind, KINDS)}")
