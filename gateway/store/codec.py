"""Frozen values as JSON text and back, exactly: what the store keeps of profiles, images and outcomes.

The form follows from the fields' types: a record is an object without the fields that have their default, an enum its
value, a set a sorted array, a mapping with whole numbers as keys an array of pairs. Reading is strict: a field that this
program does not know, or a value of another type, raises CodecError with the path to it. Changing a stored default or a
stored name needs a migration of the store.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from drivers.contract import ItemOutcome, PanelImage, Slot
from gateway.schedules.time_profile import TimeProfile
from gateway.store.contract import ObservedPanel

T = TypeVar("T")

_WRITTEN = 8192
"""Slots and outcomes whose form is remembered: an image is written again and again with few of them changed."""


class CodecError(ValueError):
    """The text is not what this program writes."""


Convert = Callable[[Any], Any]
"""To JSON values, or back."""


def _same(value: Any) -> Any:
    return value


def _plain(kind: type) -> tuple[Convert, Convert]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise CodecError(f": {kind.__name__} wanted, not {value!r:.60}")
        return value

    return _same, read


def _number(value: Any) -> Any:
    if type(value) is not float and type(value) is not int:
        raise CodecError(f": a number wanted, not {value!r:.60}")
    return value


def _array(value: Any) -> list[Any]:
    if type(value) is not list:
        raise CodecError(f": an array wanted, not {value!r:.60}")
    return value


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise CodecError(f": an object wanted, not {value!r:.60}")
    return value


def _one_of(members: Mapping[Any, Any]) -> Convert:
    def read(value: Any) -> Any:
        if type(value) not in (str, int) or value not in members:
            raise CodecError(f": unknown value {value!r:.60}")
        return members[value]

    return read


def _optional(inner: tuple[Convert, Convert]) -> tuple[Convert, Convert]:
    write, read = inner
    return (
        lambda value: None if value is None else write(value),
        lambda value: None if value is None else read(value),
    )


def _sequence(inner: tuple[Convert, Convert]) -> tuple[Convert, Convert]:
    write, read = inner
    if write is _same:
        return list, lambda value: tuple([read(item) for item in _array(value)])
    return lambda value: [write(item) for item in value], lambda value: tuple([read(item) for item in _array(value)])


def _fixed(inner: tuple[tuple[Convert, Convert], ...]) -> tuple[Convert, Convert]:
    def write(value: Any) -> Any:
        return [convert(item) for (convert, _), item in zip(inner, value, strict=True)]

    def read(value: Any) -> Any:
        if len(_array(value)) != len(inner):
            raise CodecError(f": {len(inner)} values wanted, not {len(value)}")
        return tuple([convert(item) for (_, convert), item in zip(inner, value, strict=True)])

    return write, read


@lru_cache(maxsize=4096)
def _shared_set(members: tuple[Any, ...]) -> frozenset[Any]:
    return frozenset(members)


def _set(inner: tuple[Convert, Convert]) -> tuple[Convert, Convert]:
    write, read = _sequence(inner)
    return lambda value: write(sorted(value)), lambda value: _shared_set(read(value))


def _mapping(key: type, inner: tuple[Convert, Convert]) -> tuple[Convert, Convert]:
    write, read = inner
    if key is str:
        return (
            lambda value: {name: write(item) for name, item in value.items()},
            lambda value: {name: read(item) for name, item in _object(value).items()},
        )
    pair = _fixed((_plain(key), inner))
    return (
        lambda value: [pair[0](item) for item in value.items()],
        lambda value: dict([pair[1](item) for item in _array(value)]),
    )


_MISSING = object()


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _MISSING if field.default is dataclasses.MISSING else field.default


def _record(make: type) -> tuple[Convert, Convert]:
    hints = get_type_hints(make)
    fields = dataclasses.fields(make)
    names = tuple(field.name for field in fields)
    all_values = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
    converts = {name: _codec(hints[name]) for name in names}
    rows = tuple((field.name, converts[field.name][0], _default(field)) for field in fields)
    reads = {name: convert[1] for name, convert in converts.items()}

    def write(value: Any) -> Any:
        return {
            name: convert(item)
            for (name, convert, default), item in zip(rows, all_values(value), strict=True)
            if default is _MISSING or item != default
        }

    def read(value: Any) -> Any:
        found = {}
        name = ""
        try:
            for name, item in _object(value).items():
                convert = reads.get(name)
                if convert is None:
                    raise CodecError(": unknown field")
                found[name] = convert(item)
            name = ""
            return make(**found)
        except CodecError as error:
            raise CodecError(f".{name}{error}" if name else str(error)) from error
        except TypeError as error:
            raise CodecError(f": {error}") from error

    return write, read


def _either(kinds: tuple[type, ...]) -> tuple[Convert, Convert]:
    """One of several records, told apart by the names of their fields."""
    converts = {kind: _codec(kind) for kind in kinds}

    def read(value: Any) -> Any:
        for kind, (_, convert) in converts.items():
            fields = dataclasses.fields(kind)
            wanted = {field.name for field in fields if _default(field) is _MISSING}
            if wanted <= _object(value).keys() <= {field.name for field in fields}:
                return convert(value)
        raise CodecError(": unknown field")

    return lambda value: converts[type(value)][0](value), read


@cache
def _codec(kind: Any) -> tuple[Convert, Convert]:
    """The pair of conversions for a type; raises TypeError at import for a type that has none yet."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in (str, int, bool):
        return _plain(kind)
    if kind is float:
        return _same, _number
    if origin is Literal:
        return _same, _one_of({value: value for value in arguments})
    if origin in (Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments:
        return _optional(_codec(next(argument for argument in arguments if argument is not type(None))))
    if origin in (Union, types.UnionType) and all(map(dataclasses.is_dataclass, arguments)):
        return _either(arguments)
    if origin is tuple:
        return _sequence(_codec(arguments[0])) if arguments[1:] == (...,) else _fixed(tuple(map(_codec, arguments)))
    if origin is frozenset:
        return _set(_codec(arguments[0]))
    if origin in (Mapping, dict):
        return _mapping(arguments[0], _codec(arguments[1]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return attrgetter("value"), _one_of({member.value: member for member in kind})
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        write, read = _record(kind)
        return (lru_cache(maxsize=_WRITTEN)(write) if kind in (Slot, ItemOutcome) else write), read
    raise TypeError(f"no JSON form for {kind}")


_to_text = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_from_text = json.JSONDecoder().decode


class Codec(Generic[T]):
    """`encode` gives ASCII JSON text, `decode` an equal value; raises CodecError."""

    def __init__(self, kind: Any, name: str) -> None:
        self._write, self._read = _codec(kind)
        self._name = name

    def encode(self, value: T) -> str:
        try:
            return _to_text(self._write(value))
        except ValueError as error:
            raise CodecError(f"{self._name}: {error}") from error

    def decode(self, text: str) -> T:
        try:
            return cast("T", self._read(_from_text(text)))
        except CodecError as error:
            raise CodecError(f"{self._name}{error}") from error
        except ValueError as error:
            raise CodecError(f"{self._name}: {error}") from error


TIME_PROFILE: Codec[TimeProfile] = Codec(TimeProfile, "TimeProfile")
PANEL_IMAGE: Codec[PanelImage] = Codec(PanelImage, "PanelImage")
ITEM_OUTCOME: Codec[ItemOutcome] = Codec(ItemOutcome, "ItemOutcome")
OBSERVED_PANEL: Codec[ObservedPanel] = Codec(ObservedPanel, "ObservedPanel")
ALLOCATION: Codec[Mapping[str, tuple[int, ...]]] = Codec(Mapping[str, tuple[int, ...]], "allocation")
PANELS: Codec[tuple[str, ...]] = Codec(tuple[str, ...], "panels")
