"""The ids of what was made without a link_id. Panels store them in its place; no client sees one or may send one."""

from __future__ import annotations

import uuid

_MARK = "70616e65-6c67-"
"""All of them begin so, and what a client sends may not."""


def new_own_id() -> str:
    """A random UUID in lower case."""
    return _MARK + str(uuid.uuid4())[len(_MARK) :]


def is_own_id(link_id: str) -> bool:
    return link_id.startswith(_MARK)


def shown_link_id(link_id: str) -> str | None:
    """The link_id as others may see it; None: it has none."""
    return None if is_own_id(link_id) else link_id


def own_id_of(name: str) -> str:
    """The id of the one item that can have this name: always the same, so that it cannot be made twice at once."""
    return _MARK + str(uuid.uuid5(uuid.NAMESPACE_OID, name))[len(_MARK) :]
