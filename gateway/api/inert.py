"""Settings of a device that this gateway is not: what a manager writes is kept and shown to it again, and has no effect.

Managers that write until they read what they wrote come to rest so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drivers.trace import who
from gateway.api.dialects import wrong_type
from gateway.api.errors import ApiError, bad_value, shown
from gateway.store.codec import Codec, read_fact

FACT = "inert "
"""The key, with the path behind it, of the durable fact of the site that keeps a setting."""
_MOST = 16 * 1024
_SECRET = ("password", "passwd", "secret", "token", "private_key")
_log = logging.getLogger(__name__)

Put = Callable[[str, str], Awaitable[None]]


_VALUES: Codec[dict[str, Any]] = Codec(dict[str, Any], "settings")


class InertSettings:
    """`facts` are those that the store had at the start; `put` makes one durable and raises StoreError."""

    def __init__(self, facts: Mapping[str, str], put: Put) -> None:
        self._put = put
        self._kept: dict[str, dict[str, Any]] = {
            key.removeprefix(FACT): read_fact(_VALUES, key, text) for key, text in facts.items() if key.startswith(FACT)
        }
        self._keeping = asyncio.Lock()

    def of(self, path: str) -> Mapping[str, Any]:
        """What was written to a path, as far as it may be shown."""
        return self._kept.get(path, {})

    def all(self) -> Mapping[str, Mapping[str, Any]]:
        """Path -> the setting that is kept there."""
        return dict(sorted(self._kept.items()))

    async def keep(self, path: str, change: Mapping[str, Any]) -> None:
        """What was written before and is not written anew stays. Raises ApiError and StoreError."""
        async with self._keeping:
            value = {**self.of(path), **_without_secrets(change)}
            text = json.dumps(value, separators=(",", ":"))
            if len(text) > _MOST:
                raise ApiError(413, f"body: the setting is larger than {_MOST} characters")
            if value != self.of(path):
                await self._put(FACT + path, text)
                self._kept[path] = value
                _log.info("setting kept without effect", extra={"path": path, **who()})


_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def of_right_type(change: Mapping[str, Any], example: Mapping[str, Any], place: str = "body") -> dict[str, Any]:
    """What of a change counts: null counts as absent. What `example` has stays of its type. Raises ApiError."""
    return {
        key: _checked(value, example[key], f"{place}.{key}", key) if key in example else value
        for key, value in change.items()
        if value is not None
    }


def _checked(value: Any, example: Any, place: str, key: str) -> Any:
    if type(value) is not type(example):
        seen = "something else" if _is_secret(key) else shown(value)
        raise bad_value(place, _KINDS[type(example)], seen, wrong_type(key))
    if isinstance(value, dict):
        return of_right_type(value, example, place)
    if isinstance(value, list) and example:
        return [_checked(one, example[0], f"{place}[{index}]", key) for index, one in enumerate(value)]
    return value


def _without_secrets(value: Any) -> Any:
    """Nobody has a use for them here, and a reader of settings would read them."""
    match value:
        case dict():
            return {key: _without_secrets(one) for key, one in value.items() if not _is_secret(key)}
        case list():
            return [_without_secrets(one) for one in value]
    return value


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET)
