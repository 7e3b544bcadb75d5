"""The paths of the panel API, below `/api/v0` and `/api/v1` alike: what a client of either generation knows is served there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from gateway.api import attachments, commands, doors, forwards, linked, logins, logs, manager, shown
from gateway.api.device import STATUSES, Status
from gateway.api.directory_models import ForwardItem, LinkApartment, LinkForward
from gateway.api.filters import Choice
from gateway.api.identifier_models import LinkIdentifier
from gateway.api.info import Info, info
from gateway.api.kinds import APARTMENTS, IDENTIFIERS, TIME_PROFILES
from gateway.api.linked import Surface
from gateway.api.models import LinkTimeProfile, Wire
from gateway.api.plain import Created, Plain
from gateway.api.roles import Role
from gateway.api.route import Json, Lists, Route, Text
from gateway.api.shapes import (
    Credentials,
    DoorsDone,
    EmergencyClosed,
    EmergencyOpened,
    LinkIds,
    Results,
    Token,
    UidItems,
    Upsert,
)
from gateway.journal.vendor_form import LogItem

EVERYBODY, VIEWER, OPERATOR, ADMIN = Role
_PANELS: Mapping[str, str] = MappingProxyType({"panels": "`all`, `failed` or `none` of the panels in each entry"})
_LOGIN: Mapping[str, str] = MappingProxyType({"username": "the user", "password": "the MD5 of the password, in hexadecimal"})
_UNLOCK: Mapping[str, str] = MappingProxyType({"unlockTime": "seconds; the door's own time where absent or 0"})
_LOG: Mapping[str, str] = MappingProxyType(
    {"locale": "ignored", "from": "Unix seconds or milliseconds", "to": "Unix seconds or milliseconds"}
)


def vendor_routes() -> tuple[Route, ...]:
    """In the order in which a request looks for its path."""
    return (
        *_everybody(),
        *_of_kind("/access/timeprofile", Plain(TIME_PROFILES, shown.profile), linked.TIME_PROFILES, LinkTimeProfile),
        *_of_kind("/access/identifier", Plain(IDENTIFIERS, shown.identifier), linked.IDENTIFIERS, LinkIdentifier),
        *_of_kind("/access/identifiers", Plain(IDENTIFIERS, shown.identifier), linked.IDENTIFIERS, LinkIdentifier),
        *_of_identifiers("/access/identifier"),
        *_of_identifiers("/access/identifiers"),
        *_homes(),
        *_of_kind("/apartment", Plain(APARTMENTS, shown.other), linked.APARTMENTS, LinkApartment),
        *_forwards(),
        *_commands(),
        *_managers(),
        *_locks(),
        *(route for status in STATUSES for route in _of_status(status)),
    )


def _everybody() -> Iterator[Route]:
    said = "gives a token for `username` and `password` (MD5, hexadecimal), in the query or the body"
    for path in ("/api/info", "/info"):
        yield Route("GET", path, EVERYBODY, info, "says what the gateway is", Json(Info))
    yield Route("GET", "/login", EVERYBODY, logins.log_in, said, Json(Token), query=_LOGIN)
    yield Route("POST", "/login", EVERYBODY, logins.log_in, said, Json(Token), Json(Credentials, partly=True), _LOGIN)
    for method in ("GET", "POST"):
        yield Route(method, "/logout", VIEWER, logins.end_session, "ends the token of the call", acts=method == "GET")


def _of_kind(family: str, plain: Plain, surface: Surface, link_model: type[Wire]) -> Iterator[Route]:
    """Both namings, the present one and that of older panels."""
    model, said = plain.kind.model, plain.kind.said
    for path in (family, f"{family}/item"):
        yield Route("POST", path, OPERATOR, plain.create, f"makes one {said}", Json(Created), Json(model), refuses=(409,))
    yield from _of_many(family, plain)
    yield from _by_link_id(family, surface, link_model)
    for path in (f"{family}/item/{{uid}}", f"{family}/{{uid:[0-9]+}}"):
        yield Route("GET", path, VIEWER, plain.show, f"shows one {said}", Json(model), refuses=(404,))
        changed = Json(model, partly=True)
        changes = f"changes one {said}"
        yield Route("PATCH", path, OPERATOR, plain.change, changes, body=changed, refuses=(404, 409), versioned=True)
        yield Route("DELETE", path, OPERATOR, plain.delete, f"deletes one {said}", refuses=(404,), versioned=True)


def _of_many(family: str, plain: Plain) -> Iterator[Route]:
    kind = plain.kind
    for path in (f"{family}/items", f"{family}/items/list", family):
        yield Route("GET", path, VIEWER, plain.list, f"lists every {kind.said}", Lists(kind.model, kind.choice))
    for method, path in (("DELETE", f"{family}/items"), ("POST", f"{family}/items/delete")):
        deletes = f"deletes each {kind.said} of `uid_items`"
        yield Route(method, path, OPERATOR, plain.delete_many, deletes, body=Json(UidItems), versioned=True)


def _by_link_id(family: str, surface: Surface, model: type[Wire]) -> Iterator[Route]:
    said, choice = surface.kind.said, surface.kind.choice
    deletes = (f"deletes each {said} of `link_ids`", Json(Results), Json(LinkIds), _PANELS)
    yield Route("POST", f"{family}/link/delete", OPERATOR, surface.delete, *deletes, versioned=True)
    for path in (f"{family}/items/link", f"{family}/link"):
        yield Route(
            *("POST", path, OPERATOR, surface.upsert, f"makes or changes each {said} of `list_items`, by link_id"),
            *(Json(Results), Json(Upsert[model]), _PANELS),  # type: ignore[valid-type]
            versioned=True,
        )
        yield Route("DELETE", path, OPERATOR, surface.delete, *deletes, versioned=True)
        yield Route("GET", path, VIEWER, surface.list_by_link_id, f"lists every {said} with a link_id", Lists(model, choice))


def _of_identifiers(family: str) -> Iterator[Route]:
    item = f"{family}/item/{{uid}}"
    profile = f"{family}/item/{{iuid}}/timeprofile/{{tuid}}"
    lets_in = "lets it in while a time profile is open"
    yield Route("POST", profile, OPERATOR, attachments.attach_profile, lets_in, refuses=(409,), versioned=True)
    yield Route(
        "DELETE",
        profile,
        OPERATOR,
        attachments.detach_profile,
        "ends that: without the last one it is never open",
        refuses=(409,),
        versioned=True,
    )
    counts = "counts the entries of an identifier anew"
    yield Route("POST", f"{item}/passes/reset", OPERATOR, attachments.reset_passes, counts, versioned=True)
    yield Route(
        *("GET", f"{item}/qr", VIEWER, attachments.picture, "a QR code of an identifier's number", Text("image/png")),
        query={"locale": "ignored"},
    )


def _homes() -> Iterator[Route]:
    unbind = "/apartment/item/unbind/identifier/{iuid}"
    leaves, moves = "an identifier belongs to no apartment", "an identifier belongs to an apartment"
    yield Route("POST", unbind, OPERATOR, attachments.detach_apartment, leaves, refuses=(409,), versioned=True)
    bind = "/apartment/item/{auid}/identifier/{iuid}"
    yield Route("POST", bind, OPERATOR, attachments.attach_apartment, moves, refuses=(409,), versioned=True)


def _forwards() -> Iterator[Route]:
    plain, item = forwards.PLAIN, "/forward/item/{number}"
    makes = "makes or changes the call forward of a number"
    whole, part = Json(ForwardItem), Json(ForwardItem, partly=True)
    yield Route("POST", "/forward", OPERATOR, forwards.put, makes, Json(Created), whole, versioned=True)
    yield Route("POST", item, OPERATOR, forwards.put, makes, Json(Created), part, versioned=True)
    yield Route("GET", item, VIEWER, forwards.show, "shows one call forward", Json(ForwardItem))
    yield Route("PATCH", item, OPERATOR, forwards.change, "changes one call forward", Json(Created), part, versioned=True)
    yield Route("DELETE", item, OPERATOR, forwards.delete, "deletes one call forward", versioned=True)
    yield from _of_many("/forward", plain)
    yield from _by_link_id("/forward", linked.FORWARDS, LinkForward)


def _commands() -> Iterator[Route]:
    for path in ("/log/items", "/log/list"):
        yield Route("GET", path, VIEWER, logs.log, "lists events, the newest first", Lists(LogItem, logs.CHOICE), query=_LOG)
    yield Route(
        "GET", "/security/ipcam", VIEWER, commands.nothing_listed, "lists cameras: there are none", Lists(dict, Choice({}))
    )
    clears = {"data_types": ["logs"], "clear_fields": ["logs"]}
    yield Route("POST", "/system/data/clear", ADMIN, logs.clear, "clears logs, and nothing else", body=Json(clears, partly=True))
    yield Route("GET", "/system/reboot/run", ADMIN, commands.reboot, "refused: the host restarts the gateway")
    yield Route("POST", "/system/debug/call/start", ADMIN, commands.call, "refused: there is no telephony")
    yield Route("GET", "/photo/file", VIEWER, commands.photo, "refused: there is no camera")
    for path in ("/security/password/admin", "/security/password/web/admin"):
        yield Route("POST", path, ADMIN, commands.password, "refused: passwords are in the configuration")


def _locks() -> Iterator[Route]:
    opens = "opens the door of a lock number once, or for 0 every door that has one"
    for way, remote in (("/access/general/lock/open/remote", False), ("/access/general/lock/open/remote/control", True)):
        opened = doors.by_number(remote=remote)
        yield Route(
            *("GET", f"{way}/accepted/{{n}}", OPERATOR, opened, opens, Json(DoorsDone)),
            query=_UNLOCK,
            refuses=(409, 504),
            acts=True,
        )
        yield Route("GET", f"{way}/denied/{{n}}", OPERATOR, doors.denied, "nothing moves", query=_UNLOCK, acts=True)
    place, holds = "/access/general/lock/open/emergency", "holds doors open for `unlock_time` seconds"
    yield Route("POST", place, OPERATOR, doors.emergency_open, holds, Json(DoorsDone), Json(EmergencyOpened), refuses=(409, 504))
    place = "/access/general/lock/close/emergency"
    yield Route(
        *("POST", place, OPERATOR, doors.emergency_close, "ends that", Json(DoorsDone), Json(EmergencyClosed)), refuses=(409, 504)
    )


def _managers() -> Iterator[Route]:
    server, link = "/network/management/server", "/network/management/link"
    counts = "names the manager to report to, until it is deleted"
    with_password = {**manager.SERVER, "settings": {**manager.SERVER["settings"], "password": ""}}
    yield Route("GET", server, VIEWER, manager.server, "the manager, without its password", Json(dict(manager.SERVER)))
    for method in ("PUT", "POST"):
        yield Route(method, server, ADMIN, manager.set_server, counts, body=Json(with_password, partly=True))
    yield Route("DELETE", server, ADMIN, manager.unset, "the configuration names the manager again")
    yield Route("GET", link, VIEWER, manager.link, "the manager, as older clients say it", Json(dict(manager.LINK)))
    yield Route("POST", link, ADMIN, manager.set_link, counts, body=Json({**manager.LINK, "link_password": ""}, partly=True))


def _of_status(status: Status) -> Iterator[Route]:
    yield Route("GET", status.path, EVERYBODY if status.is_open else VIEWER, status.show, status.does, Json(status.value))
    kept = "kept and shown again, without effect"
    if status.settable:
        yield Route("POST", status.path, ADMIN, status.keep, kept, body=Json(status.value, partly=True))
