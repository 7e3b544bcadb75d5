"""Who needs no login: root and the gateway's own user, as the kernel names them, on a socket of this machine."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct

_ROOT = 0
_CREDENTIALS = struct.Struct("3i")
"""Process, user and group (unix(7), SO_PEERCRED)."""


def is_local(transport: asyncio.BaseTransport) -> bool:
    """Whether the connection came over a UNIX socket."""
    channel = transport.get_extra_info("socket")
    return channel is not None and channel.family == socket.AF_UNIX


def is_operator(transport: asyncio.BaseTransport) -> bool:
    """Whether the other end of a UNIX socket was opened by root or by the user of this process."""
    return _user_of(transport) in (_ROOT, os.geteuid())


def name_of(transport: asyncio.BaseTransport) -> str:
    """The user of this machine that opened the other end of a UNIX socket; one without a name by the number."""
    user = _user_of(transport)
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _user_of(transport: asyncio.BaseTransport) -> int:
    channel = transport.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(user)
