"""What a caller may do. Every route says which role it needs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from config.settings import RoleName


class Role(IntEnum):
    """A greater one may do all that a smaller one may. EVERYBODY: also who is not logged in."""

    EVERYBODY = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def said(self) -> RoleName:
        """The name as configurations and answers have it. EVERYBODY has none."""
        return _NAMES[self]


_NAMES: Mapping[Role, RoleName] = MappingProxyType({Role.VIEWER: "viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"})
ROLES: Mapping[RoleName, Role] = MappingProxyType({name: role for role, name in _NAMES.items()})
