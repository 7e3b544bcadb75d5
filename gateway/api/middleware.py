"""What happens around every request: its id, its sender, the refusal of foreign pages, one access record without the query."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.trace import request_id
from gateway.api.addresses import Networks, Proxies
from gateway.api.bodies import release
from gateway.api.errors import ApiError
from gateway.api.operators import is_local
from gateway.api.origins import Sender, Sites, credentials_of
from gateway.api.services import SERVICES

HEADER = "X-Request-Id"
PROTECTION: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
"""The headers of every answer that says nothing else: no cache stores it, no browser guesses another content type."""
ADDRESS = web.RequestKey("address", str)
"""The address that the request comes from, seen through trusted proxies."""
SENDER = web.RequestKey("sender", Sender)
IS_SECURE = web.RequestKey("is_secure", bool)
"""Whether the client speaks TLS, with the gateway or with a trusted proxy."""
PROXIES = web.AppKey("proxies", Proxies)
SITES = web.AppKey("sites", Sites)
PLAIN = web.AppKey("plain", Networks)
"""Who may speak plain HTTP, where not everybody may."""
_SHORT = 4096
_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_logger = logging.getLogger("gateway.api.access")


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry the request's id (the client's, where it is a plain word; else a new one) to logs, frames and the answer."""
    given = request.headers.get(HEADER, "")
    known = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
    token = request_id.set(known)
    request[ADDRESS] = request.app[PROXIES].client_of(request.remote or "", request.headers.getall("X-Forwarded-For", ()))
    request[SENDER] = sender_of(request)
    request[IS_SECURE] = request[SENDER].secure
    try:
        response = await handler(request)
        response.headers[HEADER] = known
        for name, value in PROTECTION.items():
            response.headers.setdefault(name, value)
        if _is_worth_compressing(request, response):
            response.enable_compression()
        return response
    finally:
        request_id.reset(token)
        release(request)


def _is_worth_compressing(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether it is a long answer to a browser. Machines are near, and their requests are counted in microseconds."""
    long = isinstance(response, web.Response) and (response.content_length or 0) > _SHORT
    return long and request.method != "HEAD" and response.status == 200 and request[SENDER].is_browser


def sender_of(request: web.Request) -> Sender:
    headers = request.headers
    believed = request.app[PROXIES].trusts(request.remote or "")
    return Sender(
        path=request.path,
        credentials=credentials_of(headers.get("Authorization", ""))[0],
        secure=_is_secure(request),
        cookie="Cookie" in headers,
        host=headers.get("Host"),
        forwarded_host=_first(headers.get("X-Forwarded-Host")) if believed else None,
        origin=headers.get("Origin"),
        fetch_site=headers.get("Sec-Fetch-Site"),
        fetch_headers=any(name.lower().startswith("sec-fetch-") for name in headers),
        user_agent=headers.get("User-Agent", ""),
    )


def _is_secure(request: web.Request) -> bool:
    said = _first(request.headers.get("X-Forwarded-Proto")) if request.app[PROXIES].trusts(request.remote or "") else None
    return said.lower() == "https" if said else request.secure


def _first(listed: str | None) -> str | None:
    """What the proxy next to the client said, where each proxy adds its own."""
    return None if listed is None else listed.partition(",")[0].strip()


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
        "remote": request[ADDRESS],
    }
    _logger.info("request", extra=facts)
    return response


@web.middleware
async def acceptable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses plain HTTP from where it is not allowed, requests that other sites' pages make browsers send, and compressed
    bodies: they are far larger than they look.
    """
    allowed = request.app.get(PLAIN)
    if allowed is not None and _is_plain(request) and (request.remote or "") not in allowed:
        raise ApiError(403, "this address has to use https: plain HTTP is for others ([http] allow)")
    reason = request.app[SITES].refusal(request[SENDER])
    if reason is not None:
        raise ApiError(403, reason)
    encodings = ",".join(request.headers.getall("Content-Encoding", ()))
    if any(each.strip().lower() not in ("", "identity") for each in encodings.split(",")):
        raise ApiError(
            415, "Content-Encoding: compressed bodies are not accepted (identity only)", headers={"Accept-Encoding": "identity"}
        )
    return await handler(request)


def _is_plain(request: web.Request) -> bool:
    return not request.secure and request.transport is not None and not is_local(request.transport)


class WithoutTraffic(logging.Filter):
    """Takes the raw bytes of a malformed request, which may hold credentials, out of the HTTP library's error records."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            record.error = record.exc_info[0].__name__
            record.exc_info = record.exc_text = None
        return True


def server_logger() -> logging.Logger:
    """The logger for the HTTP server."""
    logger = logging.getLogger("gateway.api.server")
    if not any(isinstance(known, WithoutTraffic) for known in logger.filters):
        logger.addFilter(WithoutTraffic())
    return logger
