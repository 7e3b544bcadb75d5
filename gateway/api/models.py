"""Wire shapes of a time profile, in the vendor's field names and in the order of the vendor's table.

Strict: neither True nor "7" is a number. Unknown keys are ignored. The order of the fields is a contract: pydantic reports
errors in it, and the first one is the answer. Fields that the recurrence does not need (a `repeat_custom` beside another
`repeat_type`, a `repeat_format` that is not enabled) are kept as sent, unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    RootModel,
    SerializeAsAny,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from gateway.api.dialects import WRONG_BODY, WRONG_YEAR_RANGE
from gateway.identifiers.own_ids import is_own_id

RepeatType = Literal["day", "week", "twoWeeks", "month", "year", "custom"]
PointType = Literal["day", "week", "month", "year"]
WeekDay = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
DayTypeName = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", "WEEK_DAY", "DAY_OFF"]
WeekOrderName = Literal["first", "second", "third", "fourth", "fifth", "last"]


_STRICT = ConfigDict(strict=True, frozen=True)
_MILLISECONDS_ABOVE = 10**11
_END_OF_2200 = 7_289_654_400
VENDOR = "vendor"
"""The type of errors that carry their own text (`error`) and what is expected instead (`expected`)."""
_LONGEST_NAME = 1000


class Absent(Enum):
    """The value of a key that was not sent."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class Unread(RootModel[Any]):
    """A value that is kept as it was sent: it has to be possible to return it unchanged."""

    @field_validator("root")
    @classmethod
    def _sayable(cls, value: object) -> object:
        if not _finite(value):
            raise refusal(WRONG_BODY, "numbers that JSON readers know")
        return value


def _finite(value: object) -> bool:
    match value:
        case float():
            return isfinite(value)
        case dict():
            return all(map(_finite, value.values()))
        case list():
            return all(map(_finite, value))
    return True


def refusal(error: str, expected: str) -> PydanticCustomError:
    return PydanticCustomError(VENDOR, "{error}", {"error": error, "expected": expected})


def sent(value: object) -> object:
    if value is ABSENT:
        raise PydanticKnownError("missing")
    return value


def unread(value: object) -> Unread | Absent:
    return ABSENT if value is ABSENT else Unread(value)


def _as_moment(value: int) -> int:
    if value > _MILLISECONDS_ABOVE:
        raise refusal(WRONG_BODY, "a time in Unix seconds (not milliseconds)")
    if not 0 <= value < _END_OF_2200:
        raise refusal(WRONG_BODY, "a time in Unix seconds of the years 1970 to 2200")
    return value


Moment = Annotated[int, AfterValidator(_as_moment)]
"""Unix seconds, 1970 to 2200 in UTC."""


def _of_a_client(value: str) -> str:
    if is_own_id(value):
        raise refusal(WRONG_BODY, "another UUID: ids that begin so are the gateway's own")
    return value


LinkId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$", to_lower=True),
    AfterValidator(_of_a_client),
]


class Wire(BaseModel):
    model_config = _STRICT


def shown_by(example: Mapping[str, Any]) -> ConfigDict:
    """The settings of a model, with an example for the OpenAPI document."""
    return ConfigDict(strict=True, frozen=True, json_schema_extra={"examples": [dict(example)]})


LINKED: Mapping[str, Any] = {"link_id": "91c615e3-1040-4815-8ecb-000000000009"}
"""The part of an example that items with a link_id have beside the others."""


class TimeOptions(Wire):
    is_all_day: bool
    date_from: Moment
    date_to: Moment

    @field_validator("date_to")
    @classmethod
    def _not_before(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("date_from", 0):
            raise refusal(WRONG_BODY, "a time not before date_from")
        return value


class RepeatEnd(Wire):
    format: Literal["never", "date"]
    date: SerializeAsAny[int | Unread | Absent] = Field(ABSENT, validate_default=True)
    """Unix seconds when the format is `date`."""

    @field_validator("date", mode="plain")
    @classmethod
    def _where_it_counts(cls, value: object, info: ValidationInfo) -> int | Unread | Absent:
        return MOMENT.validate_python(sent(value), strict=True) if info.data.get("format") == "date" else unread(value)


class NthDayRange(Wire):
    week_order: WeekOrderName
    day_type: DayTypeName


class MonthOptions(Wire):
    format: Literal["dayNumbers", "parameterizedDay"]
    range: SerializeAsAny[list[int] | NthDayRange | Unread]

    @field_validator("range", mode="plain")
    @classmethod
    def _by_format(cls, value: object, info: ValidationInfo) -> list[int] | NthDayRange | Unread:
        match info.data.get("format"):
            case "dayNumbers":
                return _MONTH_DAYS.validate_python(value, strict=True)
            case "parameterizedDay":
                return NthDayRange.model_validate(value)
            case _:
                return Unread(value)


class YearOptions(Wire):
    months: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(min_length=1), FailFast()]
    range: SerializeAsAny[NthDayRange | None] = None

    @field_validator("range", mode="plain")
    @classmethod
    def _an_object(cls, value: object) -> NthDayRange | None:
        if value is not None and not isinstance(value, dict):
            raise refusal(WRONG_YEAR_RANGE, "an object with week_order and day_type")
        return None if value is None else NthDayRange.model_validate(value)


WeekDays = list[WeekDay]
CustomOptions = list[WeekDay] | MonthOptions | YearOptions | Unread | None


class RepeatCustom(Wire):
    repeat_point_type: PointType
    repeat_looper: int = Field(ge=1, le=1000)
    repeat_options: SerializeAsAny[CustomOptions] = None
    """None where absent or null: date_from's own day applies."""

    @field_validator("repeat_options", mode="plain")
    @classmethod
    def _by_point_type(cls, value: object, info: ValidationInfo) -> CustomOptions:
        if value is None:
            return None
        match info.data.get("repeat_point_type"):
            case "week":
                return _WEEK_DAYS.validate_python(value, strict=True)
            case "month":
                return MonthOptions.model_validate(value)
            case "year":
                return YearOptions.model_validate(value)
            case _:
                return Unread(value)


class RepeatFormat(Wire):
    repeat_type: RepeatType
    repeat_end: RepeatEnd
    repeat_custom: SerializeAsAny[RepeatCustom | Unread | Absent] = Field(ABSENT, validate_default=True)

    @field_validator("repeat_custom", mode="plain")
    @classmethod
    def _where_it_counts(cls, value: object, info: ValidationInfo) -> RepeatCustom | Unread | Absent:
        return RepeatCustom.model_validate(sent(value)) if info.data.get("repeat_type") == "custom" else unread(value)


class RepeatOptions(Wire):
    repeat_enable: bool
    repeat_format: SerializeAsAny[RepeatFormat | Unread | Absent] = Field(ABSENT, validate_default=True)

    @field_validator("repeat_format", mode="plain")
    @classmethod
    def _where_it_counts(cls, value: object, info: ValidationInfo) -> RepeatFormat | Unread | Absent:
        return RepeatFormat.model_validate(sent(value)) if info.data.get("repeat_enable") is True else unread(value)


class LinkItem(Wire):
    """An item of an upsert. The validation context maps each link_id seen before in the request to its place."""

    link_id: LinkId

    @field_validator("link_id")
    @classmethod
    def _once(cls, value: str, info: ValidationInfo) -> str:
        seen: Mapping[str, int] = info.context or {}
        if value in seen:
            raise refusal(WRONG_BODY, f"another link_id than that of list_items[{seen[value]}]")
        return value


_TIME_PROFILE: dict[str, Any] = {
    "name": "Work week",
    "time_options": {"is_all_day": False, "date_from": 1793602800, "date_to": 1793635200},
    "repeat_options": {"repeat_enable": True, "repeat_format": {"repeat_type": "week", "repeat_end": {"format": "never"}}},
}


class TimeProfileItem(Wire):
    model_config = shown_by(_TIME_PROFILE)

    name: str
    time_options: TimeOptions
    repeat_options: RepeatOptions

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > _LONGEST_NAME:
            raise refusal(WRONG_BODY, f"a name of at most {_LONGEST_NAME} characters")
        return value


class LinkTimeProfile(TimeProfileItem, LinkItem):
    """A time profile with the link_id that a management system gives it. The link_id comes first."""

    model_config = shown_by({**LINKED, **_TIME_PROFILE})


MOMENT: TypeAdapter[int] = TypeAdapter(Moment)
_MONTH_DAYS: TypeAdapter[list[int]] = TypeAdapter(
    Annotated[list[Annotated[int, Field(ge=1, le=31)]], Field(min_length=1), FailFast()]
)
_WEEK_DAYS: TypeAdapter[list[WeekDay]] = TypeAdapter(Annotated[list[WeekDay], Field(min_length=1), FailFast()])
LINK_ID: TypeAdapter[str] = TypeAdapter(LinkId)
