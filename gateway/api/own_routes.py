"""The paths of the gateway's own surface."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.api import (
    access,
    bindings,
    clock,
    configured,
    deleted,
    doors,
    events,
    hours,
    logins,
    matrix,
    operations,
    panels,
    plans,
    problems,
)
from gateway.api.hours_shapes import Hours, MatrixAnswer, NextOpenings
from gateway.api.identifier_models import LinkIdentifier
from gateway.api.models import LinkTimeProfile
from gateway.api.openapi import described
from gateway.api.roles import Role
from gateway.api.route import Json, Route, Text
from gateway.api.shapes import (
    Access,
    Acted,
    Binding,
    Bindings,
    BoundAlike,
    ClockAnswer,
    DeletedItems,
    DoorDone,
    DoorsAnswer,
    ExplainGroups,
    Healthy,
    Held,
    InertSettingsAnswer,
    Lines,
    OnePanel,
    Opened,
    PanelNames,
    Panels,
    PlanBody,
    PlanGroups,
    Problems,
    Reloaded,
    SessionBody,
    SessionView,
    SettingsAnswer,
    Trusted,
    Unbound,
    Upsert,
)
from gateway.fleet.views import ExplainReport, PlanReport

OWN = "/gateway/v1"
EVERYBODY, VIEWER, OPERATOR, ADMIN = Role
_VERBS = {
    "sync": "reads the panel and writes what differs",
    "reinit": "erases the panel and writes everything",
    "retry": "tries the items again that were given up",
    "accept": "takes the unit that was found for the panel, with `slots=true` its foreign slots as known",
    "erase": "empties a panel that is about to leave",
    "forget": "drops a panel that has left",
}
_EXPLAIN = {
    "link_id": "of a time profile or an identifier",
    "uid": "the same, of one that was made without a link_id",
    "kind": "`timeprofile` where absent, or `identifier`",
    "at": "Unix seconds, now where absent",
    "panel": "a panel or an output, all bound ones where absent",
}

_GROUPED = {"grouped": "`1`: equal results stand once, with the panels that have them"}
_ACCESS = {
    "door": "everybody who may open it",
    "link_id": "of an identifier: every door that it opens, or whether it opens `door`",
    "uid": "the same, of one that was made without a link_id",
    "at": "Unix seconds, now where absent",
}


_EVENTS = {
    "after": "the id of the last event that is known; absent: from the first one, live from now on",
    "kinds": "kinds of events with `,` between them, all where absent",
    "limit": "events at most, 1000 where absent; not for live ones",
    "last": "how many of the latest ones, in place of `after` and `limit`; not for live ones",
}


def own_routes(*, metrics: bool) -> Iterator[Route]:
    yield Route("GET", "/healthz", EVERYBODY, operations.healthz, "whether the gateway works", Json(Healthy))
    yield Route("GET", "/readyz", EVERYBODY, operations.readyz, "whether the gateway can do what it is asked", Json(Healthy))
    yield from _of_sessions()
    uses = "the configuration in use, without secrets, its users and their sessions"
    yield Route("GET", f"{OWN}/settings", ADMIN, configured.settings, uses, Json(SettingsAnswer))
    ends = "ends every token and session of a user"
    yield Route("DELETE", f"{OWN}/sessions/{{user}}", ADMIN, configured.end_sessions, ends, refuses=(404,))
    yield Route("GET", f"{OWN}/panels", VIEWER, panels.all_panels, "every panel with its state and counts", Json(Panels))
    one = f"{OWN}/panels/{{panel}}"
    yield Route(
        "GET", one, VIEWER, panels.one_panel, "one panel, with its items", Json(OnePanel), query=panels.ONE_PANEL, refuses=(404,)
    )
    for verb, does in _VERBS.items():
        query = {"slots": "`true`: its foreign slots are known from now on"} if verb == "accept" else {}
        yield Route(
            "POST", f"{one}/{verb}", OPERATOR, panels.verb(verb), does, Json(Acted), query=query, status=202, refuses=(404, 409)
        )
    yield Route("GET", f"{OWN}/clock", VIEWER, clock.shown, "whether the host's clock is trusted, and why", Json(ClockAnswer))
    seen = {"at": "as `/clock` showed it", "up_s": "as `/clock` showed it"}
    trusts = "somebody says that the clock is right"
    yield Route("POST", f"{OWN}/clock/trust", ADMIN, clock.trust, trusts, Json(ClockAnswer), query=seen, refuses=(409,))
    counts = "the statistics of every line and unit"
    yield Route("GET", f"{OWN}/lines", VIEWER, operations.lines, counts, Json(Lines), query=operations.LINES)
    wrong = "what is wrong now, the worst first, and what to do about it"
    yield Route("GET", f"{OWN}/problems", VIEWER, problems.all_problems, wrong, Json(Problems))
    items = Json(PlanBody[LinkTimeProfile | LinkIdentifier])
    would, report = "what an upsert or a deletion would do to every panel", Json(PlanReport | PlanGroups)
    yield Route("POST", f"{OWN}/plan", VIEWER, plans.plan, would, report, items, _GROUPED)
    explains = "whether an item is open at a moment, as asked and on each panel"
    explained, said = Json(ExplainReport | ExplainGroups), {**_EXPLAIN, **_GROUPED}
    yield Route("GET", f"{OWN}/explain", VIEWER, plans.explain, explains, explained, query=said, refuses=(404,))
    became = "what became of people and time profiles at every panel and door, a page of rows at a time"
    yield Route("GET", f"{OWN}/matrix", VIEWER, matrix.matrix, became, Json(MatrixAnswer), query=matrix.QUERY)
    days = "when an item is open in the days to come, as asked, compiled and held"
    yield Route("GET", f"{OWN}/hours", VIEWER, hours.hours, days, Json(Hours), query=hours.QUERY, refuses=(404,))
    would, profiles = "the next openings of time profiles that nobody has asked for yet", Json(Upsert[LinkTimeProfile])
    yield Route("POST", f"{OWN}/openings", VIEWER, hours.openings, would, Json(NextOpenings), profiles)
    effective = {
        "effective": "`1`: what every item is bound to in the end, by the file's rules or by what was set",
        "grouped": "`1`: how many items are bound to the same, in place of each of them",
    }
    gone = "what was deleted and panels may still hold"
    yield Route("GET", f"{OWN}/deleted", VIEWER, deleted.all_deleted, gone, Json(DeletedItems))
    bound = "the bindings that were set through the API"
    yield Route("GET", f"{OWN}/bindings", VIEWER, bindings.all_bindings, bound, Json(Bindings | BoundAlike), query=effective)
    binding = f"{OWN}/bindings/{{link_id}}"
    yield Route("GET", binding, VIEWER, bindings.one_binding, "one of them", Json(Binding), refuses=(404,))
    replaces = "replaces the configuration's rules for it"
    yield Route("PUT", binding, ADMIN, bindings.bind, replaces, Json(Binding), Json(PanelNames), refuses=(409,), versioned=True)
    returns = "returns to the configuration's rules"
    yield Route("DELETE", binding, ADMIN, bindings.unbind, returns, Json(Unbound), refuses=(404,), versioned=True)
    yield Route(
        "GET",
        f"{OWN}/inert",
        VIEWER,
        operations.inert_settings,
        "settings that are kept without effect",
        Json(InertSettingsAnswer),
    )
    told = "events as JSON lines; with `Accept: text/event-stream` live, and `Last-Event-ID` continues"
    yield Route("GET", f"{OWN}/events", VIEWER, events.events, told, Text(events.LINES), query=_EVENTS, refuses=(404,))
    yield Route(
        "POST", f"{OWN}/reload", ADMIN, operations.reload, "reads the configuration again", Json(Reloaded), refuses=(422,)
    )
    yield from _of_doors()
    yield Route(
        "GET", f"{OWN}/access", VIEWER, access.access, "who may open which door", Json(Access), query=_ACCESS, refuses=(404,)
    )
    trusted = "ends the doubt about a store that is older than its mark"
    yield Route("POST", f"{OWN}/store/trust", ADMIN, operations.trust_store, trusted, Json(Trusted), refuses=(404,))
    yield Route("GET", f"{OWN}/openapi.json", VIEWER, described, "this surface and the panel API, as OpenAPI 3.1", Json(dict))
    if metrics:
        yield Route("GET", "/metrics", VIEWER, operations.metrics, "Prometheus' text format", Text("text/plain"))


def _of_sessions() -> Iterator[Route]:
    place, begins = f"{OWN}/session", "begins a session of the gateway's own page, in a cookie"
    yield Route("POST", place, EVERYBODY, logins.begin_session, begins, Json(SessionView), Json(SessionBody))
    yield Route("GET", place, VIEWER, logins.show_session, "who asks, and what this user may do", Json(SessionView))
    yield Route("DELETE", place, VIEWER, logins.end_session, "ends the session, or the token of the call")


def _of_doors() -> Iterator[Route]:
    every, one = f"{OWN}/doors", f"{OWN}/doors/{{door}}"
    yield Route("GET", every, VIEWER, doors.all_doors, "every door with its state", Json(DoorsAnswer))
    yield Route("GET", one, VIEWER, doors.one_door, "one door", Json(DoorsAnswer), refuses=(404,))
    failed = (404, 409, 504)
    opens, holds = "opens a door once, for `seconds` or its own time", "holds a door open for `seconds`"
    yield Route(
        "POST", f"{one}/open", OPERATOR, doors.open_door, opens, Json(DoorDone), Json(Opened, partly=True), refuses=failed
    )
    yield Route("POST", f"{one}/hold", OPERATOR, doors.hold_door, holds, Json(DoorDone), Json(Held), refuses=failed)
    yield Route("POST", f"{one}/release", OPERATOR, doors.release_door, "ends a hold or a pulse", Json(DoorDone), refuses=failed)
