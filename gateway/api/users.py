"""The users of a configuration: their passwords, and what they may do.

Clients send the MD5 of the password at login, in any letter case, and the password itself with Basic: both are compared by the
MD5. Comparisons take the same time whatever they find.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from config.api_keys import key_hash
from config.files import read_password
from config.password_hash import PasswordHash, md5_form
from config.settings import ApiKeySettings, UserSettings
from gateway.api.roles import ROLES, Role


@dataclass(frozen=True, slots=True)
class PlainPassword:
    """The password stands in a file; here is its MD5."""

    md5_hex: bytes

    def fits(self, md5_hex: bytes) -> bool:
        return hmac.compare_digest(self.md5_hex, md5_hex)


Secret = PlainPassword | PasswordHash


def _secret(user: UserSettings) -> Secret | None:
    """None: nobody can log in with an empty password. Raises OSError when the password file cannot be read."""
    if user.password_hash is not None:
        return PasswordHash.parsed(user.password_hash)
    password = user.password if user.password_file is None else read_password(user.password_file)
    return PlainPassword(md5_form(password)) if password else None


class Users:
    """People, and machines with their API keys. Raises OSError when a password file cannot be read."""

    def __init__(self, users: Iterable[UserSettings], api_keys: Iterable[ApiKeySettings] = ()) -> None:
        known, keys = tuple(users), tuple(api_keys)
        self._secrets = {user.name: secret for user in known if (secret := _secret(user)) is not None}
        self._keys = {key.hash: f"key:{key.name}" for key in keys}
        self._roles = {user.name: ROLES[user.role] for user in known} | {f"key:{key.name}": ROLES[key.role] for key in keys}
        hashes = [secret for secret in self._secrets.values() if isinstance(secret, PasswordHash)]
        self.nobody: Secret = hashes[0] if hashes else PlainPassword(md5_form(uuid.uuid4().hex))
        """What the password of an unknown name is compared with: it takes the same time. The result counts for nothing."""

    def secret(self, name: str) -> Secret | None:
        return self._secrets.get(name)

    def role_of(self, name: str) -> Role | None:
        return self._roles.get(name)

    def key_of(self, given: str) -> str | None:
        """The name of an API key, `key:NAME`: no person has a colon in the name. Found by its hash, so the time tells nothing."""
        return self._keys.get(key_hash(given))

    def are_same(self, other: Users, name: str) -> bool:
        """Whether a user has the same password and role there."""
        return (self._secrets.get(name), self._roles.get(name)) == (other._secrets.get(name), other._roles.get(name))

    def shown(self, name: str) -> str:
        """What a log may say about a user name that a client sent: people type passwords into the wrong field."""
        return name if name in self._secrets else "(unknown)"
