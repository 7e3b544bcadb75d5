"""Wire shapes of apartments and call forwards, which are kept and listed. Strict, as `models.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SerializeAsAny, field_validator

from gateway.api.models import ABSENT, Absent, LinkItem, Unread, Wire, unread


class ApartmentAddress(Wire):
    building: Annotated[int, Field(ge=1, le=9999)] = 1
    unit: Annotated[int, Field(ge=0, le=99)] = 0
    floor: Annotated[int, Field(ge=0, le=98)] = 0
    room: Annotated[int, Field(ge=0, le=99)] = 0


class ApartmentItem(Wire):
    apartment_address: ApartmentAddress | None = None
    apartment_name: str | None = None
    residents: SerializeAsAny[Unread | Absent] = ABSENT

    @field_validator("residents", mode="plain")
    @classmethod
    def _kept(cls, value: object) -> Unread | Absent:
        return unread(value)


class ForwardItem(Wire):
    forward_number: int | str
    forward_entity_list: list[str] = Field(default_factory=list)


class LinkApartment(ApartmentItem, LinkItem):
    """The link_id comes first."""


class LinkForward(ForwardItem, LinkItem):
    """The link_id comes first."""
