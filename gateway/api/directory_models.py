"""Wire shapes of apartments and call forwards, which are kept and listed. Strict, as `models.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, field_validator

from gateway.api.models import ABSENT, LINKED, Absent, LinkItem, Unread, Wire, shown_by, unread

_APARTMENT: Mapping[str, Any] = {
    "apartment_name": "221b",
    "apartment_address": {"building": 1, "unit": 0, "floor": 2, "room": 21},
}
_FORWARD: Mapping[str, Any] = {"forward_number": 221, "forward_entity_list": ["1001"]}


class ApartmentAddress(Wire):
    building: Annotated[int, Field(ge=1, le=9999)] = 1
    unit: Annotated[int, Field(ge=0, le=99)] = 0
    floor: Annotated[int, Field(ge=0, le=98)] = 0
    room: Annotated[int, Field(ge=0, le=99)] = 0


class ApartmentItem(Wire):
    model_config = shown_by(_APARTMENT)

    apartment_address: ApartmentAddress | None = None
    apartment_name: str | None = None
    residents: SerializeAsAny[Unread | Absent] = ABSENT

    @field_validator("residents", mode="plain")
    @classmethod
    def _kept(cls, value: object) -> Unread | Absent:
        return unread(value)


class ForwardItem(Wire):
    model_config = shown_by(_FORWARD)

    forward_number: int | str
    forward_entity_list: list[str] = Field(default_factory=list)


class LinkApartment(ApartmentItem, LinkItem):
    """An apartment with the link_id that a management system gives it. The link_id comes first."""

    model_config = shown_by({**LINKED, **_APARTMENT})


class LinkForward(ForwardItem, LinkItem):
    """A call forward with the link_id that a management system gives it. The link_id comes first."""

    model_config = shown_by({**LINKED, **_FORWARD})
