"""On the PYTHONPATH of any Python process: no name server ever answers for names under `.invalid`."""

import socket
import threading

_asked = socket.getaddrinfo


def _getaddrinfo(host, *more, **options):  # type: ignore[no-untyped-def]
    if str(host).endswith(".invalid"):
        threading.Event().wait()
    return _asked(host, *more, **options)


socket.getaddrinfo = _getaddrinfo
