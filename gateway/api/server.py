"""What the HTTP library answers by itself, beneath routes and middlewares, in the API's words.

A client's bytes may hold credentials: none of them are repeated, neither in an answer nor in a record.
"""

from __future__ import annotations

import uuid

from aiohttp import http_exceptions, web

from gateway.api.errors import ApiError, error_response
from gateway.api.middleware import HEADER, server_logger

_NO_PATH = "/"


def _meaning(error: BaseException | None) -> str:
    if isinstance(error, http_exceptions.LineTooLong):
        return "the path with its query, or a header, is too long"
    if isinstance(error, http_exceptions.BadHttpMethod):
        return "the method is not known"
    return "the request line, a header or the encoding of the body (gzip and deflate are known) is not understood"


def _refused(request: web.BaseRequest, error: ApiError, cause: BaseException | None) -> web.Response:
    known = uuid.uuid4().hex
    facts = {"status": error.status, "error": type(cause).__name__, "remote": request.remote, "request_id": known}
    server_logger().warning("not a request", extra=facts)
    response = error_response(_NO_PATH, error)
    response.headers[HEADER] = known
    response.force_close()
    return response


class _Protocol(web.RequestHandler):
    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer is sent already")
        return _refused(request, ApiError(status, _meaning(exc) if status == 400 else None), exc)

    def log_exception(self, *args: object, **facts: object) -> None:
        """A body that does not hold what its headers say is the handler's matter: it has answered."""
        if not isinstance(facts.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **facts)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()

        async def answered(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await made.request_handler(request)
            except web.HTTPException as error:  # raised outside the middlewares, such as 417
                return _refused(request, ApiError(error.status), error)

        return _Server(
            answered,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )
