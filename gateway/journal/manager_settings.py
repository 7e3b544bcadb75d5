"""Which manager the gateway reports to: what the API said last, until it takes that back; then what the configuration says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from config.files import read_secret
from config.settings import ManagerSettings
from gateway.store.codec import Codec, read_fact

FACT = "manager"
"""The durable fact of the site that keeps what the API said."""
Protocol = Literal["http", "mqtt"]


@dataclass(frozen=True, slots=True)
class ManagerLink:
    """`url`: of the manager, empty where none was named yet. `password_file`: holds the password in place of `password`, and is
    read at each login. The default: nobody said anything.
    """

    is_enabled: bool = False
    protocol: Protocol = "http"
    url: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    is_logging_enabled: bool = False
    is_heartbeat_enabled: bool = False

    @property
    def is_used(self) -> bool:
        """Whether there is anybody to report to. How MQTT carries it is not known."""
        return self.is_enabled and self.protocol == "http" and bool(self.url)


_LINK: Codec[ManagerLink] = Codec(ManagerLink, "ManagerLink")


class ManagerChoice:
    """`facts`: the site's at the start; raises StoreDamaged. `put` makes one durable, None drops it, and raises StoreError.
    `changed` is called after each change.
    """

    def __init__(
        self,
        facts: Mapping[str, str],
        file: ManagerSettings | None,
        put: Callable[[str, str | None], Awaitable[None]],
        changed: Callable[[ManagerLink], Awaitable[None]],
    ) -> None:
        self._file = file
        self._put = put
        self._changed = changed
        self._said = read_fact(_LINK, "the manager", facts[FACT]) if FACT in facts else None
        self._changing = asyncio.Lock()

    @property
    def by_api(self) -> bool:
        """Whether the API said what counts now."""
        return self._said is not None

    def current(self) -> ManagerLink:
        return self._said or _of_file(self._file)

    async def revise(self, revised: Callable[[ManagerLink], ManagerLink]) -> ManagerLink:
        """What `revised` makes of what counts now counts until `unsay`, also over a restart. Returns it. Raises StoreError, and
        OSError and UnicodeDecodeError where it goes on with a password whose file is not readable.

        One after the other: nobody's change is lost.
        """
        async with self._changing:
            link = _with_password(revised(self.current()))
            if link != self._said:
                await self._put(FACT, _LINK.encode(link))
                self._said = link
                await self._changed(link)
            return link

    async def unsay(self) -> None:
        """From now on the configuration counts. Raises StoreError."""
        async with self._changing:
            if self._said is not None:
                await self._put(FACT, None)
                self._said = None
                await self._changed(self.current())

    async def reconfigure(self, file: ManagerSettings | None) -> None:
        """The configuration was read again."""
        async with self._changing:
            self._file = file
            await self._changed(self.current())


def _of_file(settings: ManagerSettings | None) -> ManagerLink:
    if settings is None:
        return ManagerLink()
    logging_on, heartbeat = settings.is_logging_enabled, settings.is_heartbeat_enabled
    return ManagerLink(settings.is_enabled, "http", settings.url, "", settings.password_file, logging_on, heartbeat)


def _with_password(link: ManagerLink) -> ManagerLink:
    """The link with the password itself, bound to its URL from then on: the file may be for another one by the next login."""
    path = link.password_file
    return link if path is None else replace(link, password=read_secret(path), password_file=None)
