"""Errors in HTTP terms: one exception for handlers to raise, one middleware that gives every error its JSON body.

The vendor's surface answers ``{"error": "<text of the dialect>"}``, with ``detail`` where there is more to say; the gateway's own
surface answers ``{"error": "<token>", "detail": "<prose with the place>"}``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api.dialects import WRONG_BODY
from gateway.api.responses import json_response
from gateway.fleet.views import CannotDo, UnknownPanel
from gateway.store.contract import StoreError, StoreFull

_logger = logging.getLogger(__name__)

_OWN_SURFACE = ("/gateway/", "/healthz", "/readyz", "/metrics")

_SHOWN = 64
_LONG_NUMBER = 2**63
_LAST_ANSWERS = (408, 429)
"""The statuses after which the connection is closed."""
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_CODES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "body_too_large",
    415: "encoding_not_supported",
    429: "too_many_attempts",
    500: "internal",
    503: "store_unavailable",
    507: "store_full",
}


class ApiError(Exception):
    """A refusal with its HTTP status.

    `code` is its token on the gateway's own surface, `vendor` its text on the vendor's (absent: the status' usual phrase).
    `detail` is prose that starts with the place, where there is one.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        code: str | None = None,
        vendor: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        super().__init__(detail or vendor or code)
        self.status = status
        self.detail = detail
        self.code = code or _CODES.get(status, "error")
        self.vendor = vendor
        self.headers = dict(headers)


def bad_value(place: str, expected: str, seen: str, vendor: str = WRONG_BODY) -> ApiError:
    """400: the value at `place` of the body or the query is not the expected one."""
    return ApiError(400, f"{place}: expected {expected}, got {seen}", vendor=vendor)


def query_mistake(place: str, detail: str) -> ApiError:
    """400: `detail` says what is expected at `place` and what is there."""
    return ApiError(400, f"{place}: {detail}", vendor=WRONG_BODY)


def shown(value: object) -> str:
    """A JSON value as an error may quote it, shortened."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return f"the number {value}" if abs(value) < _LONG_NUMBER else "a number beyond 64 bits"
        case float():
            return f"the number {value:g}"
        case str() if len(value) > _SHOWN:
            return f"a string of {len(value)} characters"
        case str():  # a header may hold bytes that are no text
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
        case list() | tuple():
            return f"an array of {len(value)}"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def unknown_panel(name: str, status: int = 404) -> ApiError:
    return ApiError(status, f"{name}: no such panel, output or group", code="unknown_panel")


def is_own_surface(path: str) -> bool:
    return path.startswith(_OWN_SURFACE)


class _Words(NamedTuple):
    error: str
    detail: str | None


def _own_words(error: ApiError) -> _Words:
    said = error.detail or HTTPStatus(error.status).phrase
    if error.vendor is None or error.vendor == WRONG_BODY:
        return _Words(error.code, said)
    place, separator, rest = said.partition(": ")
    return _Words(error.code, f"{place}: {error.vendor}: {rest}" if separator else error.vendor)


def _vendor_words(error: ApiError) -> _Words:
    return _Words(error.vendor or HTTPStatus(error.status).phrase, error.detail)


def error_response(path: str, error: ApiError) -> web.Response:
    words = _own_words(error) if is_own_surface(path) else _vendor_words(error)
    body = {"error": words.error} if words.detail is None else words._asdict()
    response = json_response(body, status=error.status, headers=error.headers)
    if error.status in _LAST_ANSWERS:
        response.force_close()
    return response


def _from_aiohttp(request: web.Request, error: web.HTTPException) -> ApiError:
    details = {
        404: f"there is nothing at {request.path}",
        405: f"{request.method} is not served at {request.path}",
        413: f"the body is larger than {request.client_max_size} bytes",
    }
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return ApiError(error.status, details.get(error.status), headers=allowed)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(request.path, error)
    except web.HTTPException as error:
        return error_response(request.path, _from_aiohttp(request, error))
    except UnknownPanel as error:
        return error_response(request.path, unknown_panel(error.name))
    except CannotDo as error:
        return error_response(request.path, ApiError(409, str(error), code="cannot_do"))
    except StoreError as error:
        _logger.error("request refused by the store", extra={"path": request.rel_url.raw_path, "error": str(error)})
        return error_response(request.path, ApiError(507 if isinstance(error, StoreFull) else 503, str(error)))
    except Exception:  # the edge of the process: after any defect the client gets JSON and the log gets the trace
        _logger.exception("request failed", extra={"path": request.rel_url.raw_path})
        return error_response(request.path, ApiError(500))
