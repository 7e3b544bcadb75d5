"""Enumerations and error texts by API family. The default family is camdroid 1.3.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.fleet.results import Change

WRONG_BODY = "Wrong JSON body"
LOG_IN = "Log In"
RIGHTS_REQUIRED = "Administrator rights required"
WRONG_LOGIN = "Wrong login or password"
PARAMETERS_MISSED = "Required parameters missed"
WRONG_YEAR_RANGE = "Wrong year range"
WRONG_PROFILE = "Wrong Time Profile Uid"
WRONG_IDENTIFIER = "Wrong identifier uid"
WRONG_LOCK = "Only 0, 1..8 indexes available for the lock number"
WRONG_UNLOCK_TIME = "Unlock time should be in range [1, 86400] seconds"
NUMBER_TAKEN = "Identifier with that type and number already exist"
NOT_PROVIDED = "Validation error. Required fields are not provided."
NO_VALUE = f"{WRONG_BODY}: no value"

_OPTIONS = "Wrong repeat_options enum name"

WRONG_NAME: Mapping[str, str] = MappingProxyType(
    {
        "repeat_type": "Wrong repeat_type",
        "format": "Wrong format enum name",
        "repeat_point_type": "Wrong repeat_point_type enum name",
        "repeat_options": _OPTIONS,
        "week_order": _OPTIONS,
        "day_type": _OPTIONS,
    }
)
"""A string outside its enumeration, by key."""

WRONG_RANGE: Mapping[str, str] = MappingProxyType(
    {"repeat_looper": "Wrong repeat_looper range", "range": "Wrong DayOfMonth range", "months": "Wrong months range"}
)
"""An integer outside its bounds, by key."""

EMPTY_SET: Mapping[str, str] = MappingProxyType(
    {
        "repeat_options": "Set in WeekOptions can't be empty",
        "range": "Set in dayNumbers can't be empty",
        "months": "Set in YearOptions can't be empty",
    }
)
"""An empty array, by key."""


def no_value(key: str) -> str:
    return f"{NO_VALUE} for `{key}`"


def wrong_type(key: str) -> str:
    return f"{WRONG_BODY}: value `{key}` was of the wrong type"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one API family names itself and puts results into words.

    `api_version`: clients read its major number and choose their own dialect by it. `extended_info`: what became of an
    entity, in words of the family's enumeration.
    """

    api_version: str
    firmware_version: str
    framework_version: str
    frontend_version: str
    mcu_version: str
    device_type: str
    device_model: str
    extended_info: Mapping[Change, str]


CAMDROID = Dialect(
    api_version="1.3.5",
    firmware_version="3.12.0",
    framework_version="1.2.0",
    frontend_version="1.2.0",
    mcu_version="1.0.0",
    device_type="panel",
    device_model="cr02bd",
    extended_info=MappingProxyType(
        {
            Change.CREATED: "created",
            Change.UPDATED: "updated",
            Change.DELETED: "deleted",
            Change.NOT_FOUND: "entity_not_found",
            Change.NUMBER_TAKEN: "number_taken_by_another_identifier",
            Change.PROFILE_MISSING: "bound_time_profile_doesnt_exist",
            Change.FACES_NOT_SUPPORTED: "face_id_not_supported",
            Change.NO_ROOM: "number_of_identifiers_exceeded",
        }
    ),
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({"camdroid": CAMDROID})
"""The value of `site.dialect` -> the dialect."""
