"""Wire shapes of an identifier, in the vendor's field names and in the order of the vendor's table. Strict, as `models.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, TypeAdapter, ValidationInfo, field_validator, model_validator

from gateway.api.dialects import WRONG_BODY
from gateway.api.models import (
    ABSENT,
    LINKED,
    MOMENT,
    Absent,
    LinkId,
    LinkItem,
    Unread,
    Wire,
    refusal,
    sent,
    shown_by,
    unread,
)
from gateway.identifiers.identifier import Lock
from gateway.identifiers.number import IdentifierType, NotANumber, number_of

_LIMITS = ("time", "passes")
_NAMING = frozenset({"link_ids", "uid_items"})
_PROFILE_KEYS = _NAMING | {"count"}


def _as_count(value: int) -> int:
    if value < 0:
        raise refusal(WRONG_BODY, "a number of entries, 0 or more")
    return value


_COUNT: TypeAdapter[int | None] = TypeAdapter(Annotated[int, AfterValidator(_as_count)] | None)


class Owner(Wire):
    name: str
    type: Literal["owner", "guest"]


class ValidTime(Wire):
    """Both ends count only where it is not permanent: else they are kept as sent, unread."""

    is_permanent: bool
    from_: SerializeAsAny[int | Unread | Absent] = Field(ABSENT, alias="from", validate_default=True)
    to: SerializeAsAny[int | Unread | Absent] = Field(ABSENT, validate_default=True)

    @field_validator("from_", "to", mode="plain")
    @classmethod
    def _where_it_counts(cls, value: object, info: ValidationInfo) -> int | Unread | Absent:
        if info.data.get("is_permanent") is not False:
            return unread(value)
        moment = MOMENT.validate_python(sent(value), strict=True)
        begin = info.data.get("from_")
        if isinstance(begin, int) and moment < begin:
            raise refusal(WRONG_BODY, "a time not before from")
        return moment


class Passes(Wire):
    """`max_passes` counts only where it is not permanent; None is no entry then."""

    is_permanent: bool
    max_passes: SerializeAsAny[int | Unread | Absent | None] = ABSENT

    @field_validator("max_passes", mode="plain")
    @classmethod
    def _where_it_counts(cls, value: object, info: ValidationInfo) -> int | Unread | Absent | None:
        return _COUNT.validate_python(value, strict=True) if info.data.get("is_permanent") is False else unread(value)


class Valid(Wire):
    time: ValidTime | None = None
    passes: Passes | None = None


class NamedProfiles(Wire):
    """The union of both lists."""

    link_ids: list[LinkId] = Field(default_factory=list)
    uid_items: list[int] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _names_something_known(cls, value: object) -> object:
        if isinstance(value, dict) and (not value.keys() & _NAMING or value.keys() - _PROFILE_KEYS):
            raise refusal(WRONG_BODY, "link_ids, uid_items or both, and no other key than count")
        return value


_IDENTIFIER: dict[str, Any] = {
    "identifier_owner": {"name": "Sherlock Holmes", "type": "owner"},
    "identifier_type": "card",
    "identifier_number": "12345678",
    "lock": "first",
}


class IdentifierItem(Wire):
    model_config = shown_by(_IDENTIFIER)

    identifier_owner: Owner
    identifier_type: IdentifierType
    identifier_number: str
    lock: Lock
    valid: Valid | None = None
    time_profiles: NamedProfiles = NamedProfiles(link_ids=[])
    apartment_link_id: str | None = None
    apartment_uid: int | None = None
    additional: SerializeAsAny[Unread | Absent] = ABSENT

    @model_validator(mode="before")
    @classmethod
    def _in_one_form(cls, value: object) -> object:
        return in_one_form(value) if isinstance(value, dict) else value

    @field_validator("identifier_number")
    @classmethod
    def _a_number(cls, value: str, info: ValidationInfo) -> str:
        kind = info.data.get("identifier_type")
        if kind is not None:
            try:
                number_of(kind, value)
            except NotANumber as error:
                raise refusal(WRONG_BODY, f"a number of type {kind} ({error})") from error
        return value

    @field_validator("additional", mode="plain")
    @classmethod
    def _kept(cls, value: object) -> Unread | Absent:
        return unread(value)


class LinkIdentifier(IdentifierItem, LinkItem):
    """An identifier with the link_id that a management system gives it. The link_id comes first."""

    model_config = shown_by({**LINKED, **_IDENTIFIER})


def in_one_form(item: Mapping[str, Any]) -> dict[str, Any]:
    """What an older form says in `base`, or beside `valid`, at its place in the present form.

    Raises PydanticCustomError where both are sent and differ.
    """
    base = item.get("base")
    flat = united(item, base, "base") if isinstance(base, dict) else dict(item)
    flat.pop("base", None)
    outer = {name: limit for name in _LIMITS if (limit := flat.pop(name, None)) is not None}
    valid = flat.get("valid")
    if outer and (valid is None or isinstance(valid, dict)):
        inner = {name: limit for name, limit in (valid or {}).items() if limit is not None}
        flat["valid"] = united(inner, outer, "valid")
    return flat


def united(one: Mapping[str, Any], other: Mapping[str, Any], place: str) -> dict[str, Any]:
    for key, value in other.items():
        if key in one and one[key] != value:
            raise refusal(WRONG_BODY, f"the same {key} in {place} and beside it")
    return {**other, **one}
