"""Frozen values as JSON text and back, exactly: what the store keeps of items, images and outcomes.

The form follows from the fields' types, as pydantic writes them: fields that have their default are left out. Reading is
strict: a field that this program does not know, or a value of another type, raises CodecError with the path to it.
Changing a stored default or a stored name needs a migration of the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from drivers.contract import PanelImage
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import KINDS, Certain, ObservedPanel, OneOf, StoreDamaged, Unknown

T = TypeVar("T")

_OTHERS = ',"others":true'
_MOST_KEPT = 2 * 1024 * 1024
"""Characters of images that are kept."""


class CodecError(ValueError):
    """The text is not what this program writes, or the value has no text."""


class Codec(Generic[T]):
    """`encode` gives compact JSON text, `decode` an equal value; both raise CodecError."""

    def __init__(self, kind: Any, name: str) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._name = name

    def encode(self, value: T) -> str:
        try:
            return self._adapter.dump_json(value, exclude_defaults=True, warnings="error").decode()
        except PydanticSerializationError as error:
            raise CodecError(f"{self._name}: {error}") from error

    def decode(self, text: str) -> T:
        try:
            return self._adapter.validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            deepest = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))
            place = ".".join(map(str, (self._name, *deepest["loc"])))
            raise CodecError(f"{place}: {deepest['msg']}") from error


class _ObservedCodec(Codec[ObservedPanel]):
    """Keeps the texts of the latest images: while a panel is written, its states have the same two images several times over.
    To be used by one thread at a time.
    """

    def __init__(self) -> None:
        super().__init__(ObservedPanel, "ObservedPanel")
        self._image: Codec[PanelImage] = Codec(PanelImage, "ObservedPanel.known")
        self._kept: dict[int, tuple[PanelImage, str]] = {}
        """The texts by the identity of their images, which live as long as they are here."""
        self._size = 0

    def encode(self, value: ObservedPanel) -> str:
        match value.known:
            case Certain(image):
                known = f'{{"image":{self._text(image)}}}'
            case OneOf(found, others):
                known = f'{{"images":[{",".join(map(self._text, found))}]{_OTHERS if others else ""}}}'
            case Unknown():
                return super().encode(value)
        rest = super().encode(replace(value, known=Unknown()))
        return f'{{"known":{known}{"}" if rest == "{}" else f",{rest[1:]}"}'

    def _text(self, image: PanelImage) -> str:
        if id(image) in self._kept:
            return self._kept[id(image)][1]
        text = self._image.encode(image)
        self._kept[id(image)] = (image, text)
        self._size += len(text)
        while self._size > _MOST_KEPT:
            self._size -= len(self._kept.pop(next(iter(self._kept)))[1])
        return text


def read_fact(codec: Codec[T], whose: str, text: str) -> T:
    """A fact that the store has kept of something. Raises StoreDamaged where no gateway wrote it so."""
    try:
        return codec.decode(text)
    except CodecError as error:
        raise StoreDamaged(f"what is kept of {whose} is not readable: {error}") from error


CONTENTS: Mapping[str, Codec[Any]] = {kind: Codec(content, content.__name__) for kind, content in KINDS.items()}
"""What is asked for, by kind."""
TIME_PROFILE: Codec[TimeProfile] = Codec(TimeProfile, "TimeProfile")
PANEL_IMAGE: Codec[PanelImage] = Codec(PanelImage, "PanelImage")
OBSERVED_PANEL = _ObservedCodec()
ALLOCATION: Codec[Mapping[str, tuple[int, ...]]] = Codec(Mapping[str, tuple[int, ...]], "allocation")
PANELS: Codec[tuple[str, ...]] = Codec(tuple[str, ...], "panels")
