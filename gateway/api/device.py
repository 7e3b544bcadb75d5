"""What clients ask a panel for when they start: answered from the configuration and the gateway's own state.

Nothing is invented about hardware that is not there: empty texts, false, empty lists. One missing answer makes an integration
drop everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from config.settings import DoorSettings
from gateway.api.dialects import WRONG_LOCK
from gateway.api.errors import bad_value, shown
from gateway.api.inert import of_right_type
from gateway.api.info import Info, about
from gateway.api.live import LIVE
from gateway.api.plain import done, object_in
from gateway.api.responses import json_response
from gateway.api.services import SERVICES
from gateway.schedules.local_time import changes_between

_LOCKS = range(1, 9)
_YEAR_S = 365 * 86_400
Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """`value`: what is true while nobody has written anything else; `settable`: it can be written, without effect.

    `own` gives what the gateway knows itself, in the shape of `value`.
    """

    path: str
    does: str
    value: Shape
    own: Callable[[web.Request], Shape] | None = None
    settable: bool = True
    is_open: bool = False

    async def show(self, request: web.Request) -> web.Response:
        place = self._place(request)
        true = self.value if self.own is None else self.own(request)
        return json_response({**true, **(request.app[SERVICES].inert.of(place) if self.settable else {})})

    async def keep(self, request: web.Request) -> web.Response:
        change = of_right_type(await object_in(request), self.value)
        await request.app[SERVICES].inert.keep(self._place(request), change)
        return done()

    def _place(self, request: web.Request) -> str:
        """The path of the setting. Raises ApiError for a lock that there cannot be."""
        number = request.match_info.get("lock")
        if number is None:
            return self.path
        if number not in map(str, _LOCKS):
            raise bad_value("lock", f"a number from {_LOCKS[0]} to {_LOCKS[-1]}", shown(number), WRONG_LOCK)
        return self.path.replace("{lock}", number)


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _zone(request: web.Request) -> ZoneInfo:
    """The site's, with the law in force: its name alone may stand for older rules."""
    return request.app[SERVICES].fleet.readings().zone


def _now(request: web.Request) -> datetime:
    return datetime.fromtimestamp(request.app[SERVICES].clock.wall(), UTC).astimezone(_zone(request))


def _named_offset(moment: datetime) -> str:
    minutes = round(_offset(moment).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def _time(request: web.Request) -> Shape:
    now = _now(request)
    seconds, zone = int(now.timestamp()), _named_offset(now)
    return {"time_unix": seconds, "device_time_unix": seconds, "timezone": zone, "device_timezone": zone}


def _timezone(request: web.Request) -> Shape:
    zone = _named_offset(_now(request))
    return {"current_timezone": zone, "timezone": zone}


def _dst(request: web.Request) -> Shape:
    """Whether the zone of the site has a summer time: its clocks are changed within a year."""
    now = int(_now(request).timestamp())
    changes = any(changes_between(_zone(request), now, now + _YEAR_S))
    return {"enable": changes, "is_enabled": changes}


def _network(request: web.Request) -> Shape:
    """The address that the client reached."""
    own = request.transport.get_extra_info("sockname") if request.transport is not None else None
    seen = request.app[SERVICES].network()
    return {
        "dhcp": False,
        "ip_address": str(own[0]) if isinstance(own, tuple) else "",
        "mask": seen.mask,
        "gateway": seen.gateway,
        "dns": seen.dns,
    }


def _mac(request: web.Request) -> Shape:
    return {"mac_address": request.app[SERVICES].network().mac_address}


def _name(request: web.Request) -> Shape:
    return {"device_name": request.app[LIVE].site_name}


def _frontend(request: web.Request) -> Shape:
    return {"frontend_version": request.app[LIVE].dialect.frontend_version}


def _lock_settings(request: web.Request) -> Shape:
    doors = request.app[SERVICES].doors.numbered(0)
    return {"open_all_dtmf": "", "settings": [_LOCK | {"lock_number": door.number, "timeout": _seconds(door)} for door in doors]}


def _timeout(request: web.Request) -> Shape:
    """The time of the door that has the number; 5 seconds where there is none."""
    found = request.app[SERVICES].doors.numbered(int(request.match_info["lock"]))
    return {"lock_timeout": _seconds(found[0]) if found else 5}


def _door_status(request: web.Request) -> Shape:
    """Open where one of the doors with a lock number is, by its sensor."""
    doors = request.app[SERVICES].doors
    is_open = any(doors.view(door).is_open for door in doors.numbered(0))
    return {**_DOOR, "status": "open" if is_open else "closed"}


def _seconds(door: DoorSettings) -> int:
    return math.ceil(door.pulse_s)


_LOCK = {"lock_number": 0, "timeout": 5, "delay": 0, "type": "", "pulse_on": 0, "pulse_off": 0, "dtmf_code": ""}
_LOCK_SETTINGS: Shape = {"open_all_dtmf": "", "settings": [_LOCK]}
_TIMES: Shape = {"time_unix": 0, "device_time_unix": 0, "timezone": "", "device_timezone": ""}
_LANGUAGES: Shape = {"current_language": "en", "all_supported_languages": ["en"]}
_LOCK_TYPES: Shape = {"locks": [{"lock_number": 1, "type": ""}, {"lock_number": 2, "type": ""}]}
_ABOUT: Shape = {each.name: False if each.type == "bool" else "" for each in fields(Info)}
_NETWORK: Shape = {"dhcp": False, "ip_address": "", "mask": "", "gateway": "", "dns": ""}
_SWITCH: Shape = {"is_enabled": False}
_SIP: Shape = {"proxy": "", "realm": "", "stun": "", "user": ""}
_CALLBACK: Shape = {"enabled": False, "custom_server_enabled": False, "custom_server_api_url": ""}
_CODE: Shape = {"input_code_enable": False, "input_code_number": ""}
_NOTHING: Shape = {}
_DOOR: Shape = {"status": "closed", "is_timeout_exceed": False, "opentime": 0, "mode": ""}
_SENSOR: Shape = {"enable": False, "mode": "", "opening_delay": 0}

STATUSES: tuple[Status, ...] = (
    Status("/device/time", "the gateway's clock and the offset of the site's zone", _TIMES, _time, settable=False),
    Status("/network/timezone", "the offset of the site's zone", {"current_timezone": "", "timezone": ""}, _timezone),
    Status("/network/dst", "whether the site's zone has a summer time", {"enable": False, "is_enabled": False}, _dst),
    Status("/network/ntp", "time servers", {"enabled": False, "use_default": False, "custom_server": ""}),
    Status("/network/settings", "the gateway's address", _NETWORK, _network),
    Status("/network/mac", "the gateway's hardware address", {"mac_address": ""}, _mac, settable=False),
    Status("/network/management/server/certificate", "the manager's certificate", {"uploaded": False}, settable=False),
    Status("/sip/status", "there is no telephony", {"sip_status": ""}, settable=False, is_open=True),
    Status("/frontend/version", "as in `/api/info`", {"frontend_version": ""}, _frontend, settable=False),
    Status("/dashboard", "as `/api/info`", _ABOUT, lambda request: asdict(about(request)), settable=False),
    Status("/device/name", "the site's name", {"device_name": ""}, _name),
    Status("/device/language", "languages", _LANGUAGES),
    Status("/device/mode/current", "the mode of a panel", {"current_panel_mode": ""}),
    Status("/device/sip/settings", "telephony", _SIP),
    Status("/device/sip/enable", "telephony", {"sip_enable": False}),
    Status("/device/sip/reregister", "telephony", {"is_reregister": False}),
    Status("/device/call/auto_answer", "calls", _SWITCH),
    Status("/device/call/concierge", "calls", _NOTHING),
    Status("/device/call/dial/timeout", "calls", _NOTHING),
    Status("/device/call/drop", "calls", _NOTHING),
    Status("/device/call/drop/lock-open", "calls", _SWITCH),
    Status("/device/feature/rescue-service", "a feature of panels", _SWITCH),
    Status("/device/relay/settings", "relays of panels", {"position_settings": []}),
    Status("/device/settings/payload", "video", _NOTHING),
    Status("/device/settings/rtsp", "video", {"username": ""}),
    Status("/device/settings/video", "video", {"fps": 0, "video_resolution": ""}),
    Status("/device/settings/volume", "sound", {"volume_level": 0}),
    Status(
        "/access/door/status", "whether a door stands open; one without a sensor is closed", _DOOR, _door_status, settable=False
    ),
    Status("/access/door/sensor", "door sensors", _SENSOR),
    Status("/access/exit/button/toggle", "exit buttons", {"enable": False, "is_enabled": False}),
    Status("/access/freeaccess", "hours without access control", {"enable": False, "days": []}),
    Status("/access/general/lock/type", "kinds of locks", _LOCK_TYPES),
    Status("/access/general/lock/timeout/{lock}", "how long a lock stays open, in seconds", {"lock_timeout": 5}, _timeout),
    Status("/access/general/lock/delay/{lock}", "how long a lock waits, in seconds", {"lock_delay": 0}),
    Status("/access/general/lock/dtmf/{lock}", "opening by telephone", {"dtmf_code": ""}),
    Status("/access/general/remote/control/settings", "a server that is asked at each card", _CALLBACK),
    Status("/access/general/unlock/card/master", "a card that opens everything", {"master_card": ""}),
    Status("/access/general/unlock/input/code", "a code that opens everything", _CODE),
    Status("/access/general/wiegand/type", "a wire of readers", _NOTHING),
    Status("/access/locks/settings", "the doors that have a lock number", _LOCK_SETTINGS, _lock_settings),
    Status("/syslog/settings", "a collector of logs", {"enabled": False, "server": ""}),
)
