"""Which requests a browser may have been made to send by a page of another site. Pure.

A browser adds Basic credentials and cookies by itself to any request that any page makes it send. Only a client that has a token
adds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult, urlsplit

from gateway.api.addresses import parse_address

OPEN_PATHS = ("/healthz", "/readyz")
_SURFACES = ("/api", "/gateway", "/metrics")
"""All other paths are pages and their files: without data, so a link on another site's page may lead there."""
_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_LOCK = re.compile(r"/access/general/lock/(?:open|close)/|/doors/[^/]+/(?:open|hold|release)$", re.IGNORECASE)


class Credentials(Enum):
    """The kind of credentials that a request carries."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


def credentials_of(authorization: str) -> tuple[Credentials, str]:
    """The kind and the text after its scheme. A token may come bare, without `Bearer`."""
    scheme, separator, rest = authorization.strip().partition(" ")
    match scheme.lower():
        case "":
            return Credentials.NONE, ""
        case "basic":
            return Credentials.BASIC, rest.strip()
        case "bearer":
            return Credentials.BEARER, rest.strip()
        case _:
            return (Credentials.NONE, "") if separator else (Credentials.BEARER, scheme)


@dataclass(frozen=True, slots=True)
class Sender:
    """What the headers tell about the sender of a request. `forwarded_host`: set only where a trusted proxy sent it.

    `secure`: the client speaks TLS.
    """

    path: str
    credentials: Credentials
    secure: bool = False
    cookie: bool = False
    host: str | None = None
    forwarded_host: str | None = None
    origin: str | None = None
    fetch_site: str | None = None
    fetch_headers: bool = False
    user_agent: str = ""

    @property
    def is_browser(self) -> bool:
        return self.origin is not None or self.fetch_headers or self.user_agent.startswith("Mozilla/")


@dataclass(frozen=True, slots=True)
class Sites:
    """Where the gateway is at home: `origins` beside its own name, and the names it answers to (none: to any)."""

    origins: Sequence[str] = ()
    hosts: Sequence[str] = ()

    def refusal(self, sender: Sender) -> str | None:
        """Why the request is refused (403); None: it is allowed."""
        if sender.path in OPEN_PATHS:
            return None
        for name in (sender.host, sender.forwarded_host):
            if name is not None and not self._answers_to(name):
                return "Host: this gateway does not answer to that name ([http] hosts)"
        if self._is_listed(sender):
            return None
        if not sender.path.startswith(_SURFACES):
            return None
        if (sender.fetch_site or "").lower() == "cross-site":
            return "Sec-Fetch-Site: a page of another site sends this ([http] origins)"
        if sender.origin is not None and self._is_foreign(sender.origin, sender):
            return "Origin: a page of another site sends this ([http] origins)"
        if sender.is_browser and sender.credentials is Credentials.BASIC and _LOCK.search(sender.path):
            return "Authorization: a browser needs a token to open locks, Basic alone does not suffice"
        return None

    def is_own_page(self, sender: Sender) -> bool:
        """Whether the browser says that a page of the gateway, or of `origins`, sends this. Without a word of it: no."""
        if sender.origin is None:
            return (sender.fetch_site or "").lower() == "same-origin"
        return self._is_listed(sender) or _is_own(sender.origin, sender)

    def _is_listed(self, sender: Sender) -> bool:
        return sender.origin is not None and sender.origin.lower() in {origin.lower() for origin in self.origins}

    def _answers_to(self, host: str) -> bool:
        name = _split(f"//{host}").hostname or ""
        known = {one.lower() for one in self.hosts} | {"localhost"}
        return not self.hosts or name.rstrip(".") in known or parse_address(name) is not None

    @staticmethod
    def _is_foreign(origin: str, sender: Sender) -> bool:
        if _is_own(origin, sender):
            return False
        added_by_itself = sender.credentials is Credentials.BASIC or sender.cookie
        return added_by_itself or origin.lower().startswith(("http://", "https://"))


def _is_own(origin: str, sender: Sender) -> bool:
    """Over TLS only a page that came over TLS: anybody on the way can write one that did not, in the gateway's name."""
    if sender.secure and _split(origin).scheme != "https":
        return False
    return any(_same_place(origin, host) for host in (sender.host, sender.forwarded_host) if host)


def _same_place(origin: str, host: str) -> bool:
    """Compared by name and port, whatever the scheme: a proxy that nobody told of may have terminated TLS."""
    page, own = _split(origin), _split(f"//{host}")
    if not page.hostname or (page.hostname or "").rstrip(".") != (own.hostname or "").rstrip("."):
        return False
    try:
        port = page.port or _DEFAULT_PORTS.get(page.scheme)
        return port in _DEFAULT_PORTS.values() if own.port is None else port == own.port
    except ValueError:
        return False


def _split(text: str) -> SplitResult:
    """Empty where it is not a URL."""
    try:
        return urlsplit(text.strip())
    except ValueError:
        return urlsplit("")
