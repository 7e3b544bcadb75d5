"""`/gateway/v1/events`: events as JSON lines, page by page, or live as server-sent events."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from config.event_kinds import KINDS
from config.nearest import did_you_mean, there_are
from gateway.api.auth import is_still_admitted
from gateway.api.errors import ApiError, bad_value, shown
from gateway.api.middleware import ADDRESS, PROTECTION
from gateway.api.responses import COMPRESSED_AT_ONCE, json_bytes
from gateway.api.services import SERVICES, JournalService
from gateway.concurrency import STEP_S, in_turns
from gateway.journal.journal import LOST
from gateway.journal.shape import shown_event
from gateway.store.contract import StoreError
from gateway.store.events import Column, EventQuery, SiteEvent

LINES = "application/x-ndjson"
STREAM = "text/event-stream"
TAKEN_WITHIN_S = 20.0
"""How long a reader of the stream may take nothing before it is cut off; what it missed it gets when it comes again."""
_SILENCE_S = 15.0
"""After this long without an event a stream shows that it is there, where its reader may still read."""
_LAST_ID = "Last-Event-ID"
_MOST, _DEFAULT = 10_000, 1000
_PARAMETERS = ("after", "kinds", "limit", "last")
_COMMENT = b":\n\n"
_REMEMBERED = 16
_TURN_S = 0.00005
"""Events happen all the time: what is made of them takes no longer in one turn of the loop than a small part of a request."""
_NEWEST_FIRST: tuple[tuple[Column, bool], ...] = (("at", True),)
_LONGEST = 80
_NUMBER = re.compile(r"[0-9]{1,18}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """`after` None: nothing was said; `kinds` None: all; `last`: how many of the youngest; None: from `after` on."""

    after: int | None
    kinds: frozenset[str] | None
    limit: int
    last: int | None

    @property
    def query(self) -> EventQuery:
        if self.last is None:
            return EventQuery(after=self.after or 0, kinds=self.kinds, limit=self.limit)
        return EventQuery(kinds=self.kinds, order=_NEWEST_FIRST, limit=self.last)


def journal_of(request: web.Request) -> JournalService:
    """Raises ApiError where no events are kept."""
    journal = request.app[SERVICES].journal
    if journal is None:
        raise ApiError(404, "no events are kept")
    return journal


async def events(request: web.Request) -> web.StreamResponse:
    journal, asked = journal_of(request), _asked(request)
    if _is_live(request):
        return await _stream(request, journal, asked)
    gap = journal.gap(asked.after or 0) if asked.last is None else None
    page = sorted(await journal.page(asked.query), key=lambda event: event.id)
    page = page if gap is None else [gap, *page]
    body = b"".join([json_bytes(shown_event(event)) + b"\n" async for event in in_turns(page)])
    return web.Response(body=body, content_type=LINES, charset="utf-8", zlib_executor_size=COMPRESSED_AT_ONCE)


def _is_live(request: web.Request) -> bool:
    return STREAM in request.headers.get("Accept", "")


def _asked(request: web.Request) -> _Asked:
    for name, values in ((name, request.query.getall(name)) for name in request.query):
        if name not in _PARAMETERS:
            raise bad_value(name, f"one of the parameters {', '.join(_PARAMETERS)}", "another one")
        if len(values) > 1:
            raise bad_value(name, "one value", "several")
    kinds = [kind for kind in request.query.get("kinds", "").split(",") if kind]
    for kind in kinds:
        if kind not in KINDS:
            near = did_you_mean(kind[:_LONGEST], KINDS) or there_are(KINDS, len(KINDS))
            raise bad_value("kinds", "kinds of events with `,` between them", shown(kind) + near)
    continued = _number(_LAST_ID, request.headers.get(_LAST_ID, ""))
    after = _number("after", request.query.get("after", "")) if continued is None else continued
    limit, last = (_number(name, request.query.get(name, "")) for name in ("limit", "last"))
    for name, number in (("limit", limit), ("last", last)):
        if number is not None and _is_live(request):
            raise bad_value(name, "nothing: live events have no end", shown(number))
        if number is not None and not 1 <= number <= _MOST:
            raise bad_value(name, f"a number from 1 to {_MOST}", shown(number))
    if last is not None and (after is not None or limit is not None):
        raise bad_value("last", "neither `after` nor `limit` beside it", "one of them")
    return _Asked(after, frozenset(kinds) or None, limit or _DEFAULT, last)


def _number(place: str, text: str) -> int | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise bad_value(
            place, "the id of an event, a whole number" if place not in ("limit", "last") else "a whole number", shown(text)
        )
    return int(text)


async def _stream(request: web.Request, journal: JournalService, asked: _Asked) -> web.StreamResponse:
    """Live until the reader goes, stalls or may no longer read, or the gateway stops."""
    response = web.StreamResponse(headers={**PROTECTION, "Content-Type": f"{STREAM}; charset=utf-8"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    place = journal.last if asked.after is None else asked.after
    kinds = None if asked.kinds is None else asked.kinds | {LOST}
    try:
        # With its place from the start: a reader that is cut off before its first event goes on from here.
        await _write(request, response, b"retry: 3000\nid: %d\n\n" % place)
        async with aclosing(journal.follow(place, _SILENCE_S)) as followed:
            async for some in followed:
                if not await is_still_admitted(request):
                    break
                await _write(request, response, await request.app[CHUNKS].of(some, kinds))
    except TimeoutError:
        _log.warning("a reader of events takes nothing, and is cut off", extra={"remote": request[ADDRESS]})
        if request.transport is not None:
            request.transport.abort()
    except StoreError as error:
        _log.warning("a stream of events ends, its reader may come again", extra={"error": str(error)})
    except ConnectionError:
        pass  # it has gone
    return response


async def _write(request: web.Request, response: web.StreamResponse, chunk: bytes) -> None:
    """Raises TimeoutError where nothing is taken for too long, and ConnectionError where the gateway stops meanwhile."""
    writing, transport = request.app[WRITING], request.transport
    if transport is None:
        raise ConnectionResetError
    writing.add(transport)
    try:
        async with asyncio.timeout(TAKEN_WITHIN_S):
            await response.write(chunk)
    finally:
        writing.discard(transport)


async def end_streams(app: web.Application) -> None:
    """Streams have no end of their own, and a stop waits for none that is not taken: its reader comes again."""
    journal = app[SERVICES].journal
    if journal is not None:
        journal.close()
    for transport in app[WRITING]:
        transport.abort()


class Chunks:
    """The bytes of events on a stream. Readers that are in step are given the same ones, which are made once."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, int, int, frozenset[str] | None], bytes] = OrderedDict()
        self._making = asyncio.Lock()

    async def of(self, some: Sequence[SiteEvent], kinds: frozenset[str] | None) -> bytes:
        """A comment, which readers pass over, where nothing happened; the place alone where none of it is to be shown."""
        if not some:
            return _COMMENT
        key = (some[0].kind, some[0].id, some[-1].id, kinds)  # that events were dropped has the id of the last one of them
        made = self._made.get(key)
        if made is None:
            async with self._making:
                made = self._made.get(key) or await _chunk(some, kinds)
                self._made[key] = made
                if len(self._made) > _REMEMBERED:
                    self._made.popitem(last=False)
        return made


async def _chunk(some: Sequence[SiteEvent], kinds: frozenset[str] | None) -> bytes:
    chosen = [event for event in some if kinds is None or event.kind in kinds]
    turns = in_turns(chosen, _TURN_S, STEP_S)
    shown = [b"id: %d\ndata: %b\n\n" % (event.id, json_bytes(shown_event(event))) async for event in turns]
    return b"".join(shown) or b"id: %d\n\n" % some[-1].id


CHUNKS = web.AppKey("chunks", Chunks)
WRITING: web.AppKey[set[asyncio.Transport]] = web.AppKey("writing", set)
"""The connections of readers to whom something is being written."""
