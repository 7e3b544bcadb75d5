"""Around every request: its id, and one access record without the query string."""

from __future__ import annotations

import logging
import re
import uuid

from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.trace import request_id
from gateway.api.services import SERVICES

HEADER = "X-Request-Id"
_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_logger = logging.getLogger("gateway.api.access")


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry the request's id (the client's, where it is a plain word; else a new one) to logs, frames and the answer."""
    given = request.headers.get(HEADER, "")
    known = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
    token = request_id.set(known)
    try:
        response = await handler(request)
        response.headers[HEADER] = known
        return response
    finally:
        request_id.reset(token)


@web.middleware
async def recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    clock = request.app[SERVICES].clock
    begun = clock.monotonic()
    response = await handler(request)
    facts = {
        "method": request.method,
        "path": request.rel_url.raw_path,
        "status": response.status,
        "duration_ms": round((clock.monotonic() - begun) * 1000, 1),
        "remote": request.remote,
    }
    _logger.info("request", extra=facts)
    return response


class WithoutTraffic(logging.Filter):
    """Takes the raw bytes of a malformed request, which may hold credentials, out of the HTTP library's error records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            record.error = record.exc_info[0].__name__
            record.exc_info = record.exc_text = None
        return True


def server_logger() -> logging.Logger:
    """The logger to run the HTTP server with."""
    logger = logging.getLogger("gateway.api.server")
    if not any(isinstance(known, WithoutTraffic) for known in logger.filters):
        logger.addFilter(WithoutTraffic())
    return logger
