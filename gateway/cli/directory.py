"""What people call things: time profiles and identifiers by name, number or link_id, as the running gateway lists them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from config.nearest import did_you_mean
from gateway.cli.answers import Binding, Deleted, DeletedItems, Item, People, Person, Profile, Profiles
from gateway.cli.client import Refused, Running
from gateway.cli.output import Mistakes, numbered

Kind = Literal["timeprofile", "identifier"]
ALL = 1_000_000
"""The limit of a list that is to be whole."""
_NOUNS: Mapping[Kind, str] = {"timeprofile": "time profile", "identifier": "person"}
_SHORTEST = 4
"""Letters of a link_id or a name that are enough where only one begins so."""
_LINK_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True)
class Entry:
    """A time profile or an identifier. `number`: of the identifier, as it was sent; `body`: as the plain surface shows it."""

    kind: Kind
    uid: int
    link_id: str | None
    name: str
    number: str
    body: Mapping[str, Any]

    @property
    def shown(self) -> str:
        """`Work week`, `Sherlock Holmes (card 12345678)`."""
        named = self.name or self.link_id or f"{self.kind} {self.uid}"
        return numbered(named, f"{self.body['identifier_type']} {self.number}" if self.kind == "identifier" else "")

    @property
    def query(self) -> str:
        """What names it in a question to the gateway."""
        return f"kind={self.kind}&" + (f"link_id={self.link_id}" if self.link_id else f"uid={self.uid}")

    def is_called(self, text: str) -> bool:
        """Whether that is what it is called, in any letter case."""
        return text.casefold() in {
            self.name.casefold(),
            self.number.casefold(),
            (self.link_id or "").casefold(),
            f"uid {self.uid}",
        } - {""}

    def begins(self, text: str) -> bool:
        return len(text) >= _SHORTEST and any(
            each.casefold().startswith(text.casefold()) for each in (self.name, self.link_id or "") if each
        )


def _named(one: Entry | Deleted, *, alone: bool) -> str:
    """`alone`: nobody else is called so."""
    return one.shown if alone else f"{one.shown}, {one.link_id or f'uid {one.uid}'}"


@dataclass(frozen=True, slots=True)
class Directory:
    """`gone`: what was deleted and panels may hold. It has a name, and is not found by it."""

    entries: tuple[Entry, ...] = ()
    gone: Sequence[Deleted] = ()
    _names: Mapping[tuple[str, str | int], str] = field(init=False, repr=False, compare=False)
    """What is said of an item, by its link_id or uid; with that where others are called the same."""

    def __post_init__(self) -> None:
        known: tuple[Entry | Deleted, ...] = (*self.entries, *self.gone)
        count = Counter(one.shown for one in known)
        names = {(one.kind, one.link_id or one.uid): _named(one, alone=count[one.shown] == 1) for one in known}
        object.__setattr__(self, "_names", names)

    def of(self, kind: Kind) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def profile_names(self) -> Mapping[str, str]:
        """The names of time profiles, by link_id and by `uid 7`."""
        return {
            key: entry.name
            for entry in self.of("timeprofile")
            for key in (entry.link_id, f"uid {entry.uid}")
            if key and entry.name
        }

    def named(self, item: Item | Binding) -> str:
        """What an item of a panel is called."""
        which = item.link_id or (item.uid if isinstance(item, Item) else None) or 0
        return self._names.get((item.kind, which)) or item.link_id or f"{item.kind} {which}"

    def called(self, entry: Entry) -> str:
        """The same of one of the entries."""
        return self._names[entry.kind, entry.link_id or entry.uid]

    def in_words(self, text: str) -> str:
        """The text with names in place of link_ids; those that nothing has any more stay."""
        return _LINK_ID.sub(self._name_of, text)

    def _name_of(self, found: re.Match[str]) -> str:
        return next((name for kind in _NOUNS if (name := self._names.get((kind, found[0])))), found[0])

    def find(self, text: str, kinds: Iterable[Kind] = ("timeprofile", "identifier")) -> Entry:
        """Who or what is called so. Raises Mistakes where nobody is, or more than one."""
        wanted = [entry for kind in kinds for entry in self.of(kind)]
        found = [entry for entry in wanted if entry.is_called(text)] or [entry for entry in wanted if entry.begins(text)]
        if len(found) == 1:
            return found[0]
        nouns = " or ".join(_NOUNS[kind] for kind in kinds)
        if not found:
            if other := next((entry for entry in self.entries if entry.is_called(text) or entry.begins(text)), None):
                raise Mistakes([f"{text}: no {nouns} is called that, but a {_NOUNS[other.kind]} is"])
            near = did_you_mean(text, [called for entry in wanted for called in (entry.name, entry.number) if called])
            raise Mistakes([f"{text}: no {nouns} is called that{near or ' (expected a name, a number or a link_id)'}"])
        which = "; ".join(f"{entry.shown} is {entry.link_id or f'uid {entry.uid}'}" for entry in found[:5])
        which += f"; and {len(found) - 5} more" if len(found) > 5 else ""
        raise Mistakes([f"{text}: {len(found)} are called that, expected one: {which}"])


def names_link_ids(text: str) -> bool:
    """Whether there is one in the text."""
    return _LINK_ID.search(text) is not None


def directory(gateway: Running) -> Directory:
    """Everything that is listed. Raises Mistakes."""
    profiles = gateway.get(f"/api/v1/access/timeprofile/items/list?limit={ALL}")
    people = gateway.get(f"/api/v1/access/identifier/items/list?limit={ALL}")
    entries = map(_profile, gateway.read(Profiles, profiles).list_items, profiles["list_items"])
    persons = map(_person, gateway.read(People, people).list_items, people["list_items"])
    return Directory((*entries, *persons), _deleted(gateway))


def _deleted(gateway: Running) -> Sequence[Deleted]:
    """None where the gateway is of a release that does not tell."""
    try:
        return gateway.ask(DeletedItems, "/gateway/v1/deleted").items
    except Refused:
        return ()


def _profile(read: Profile, body: Mapping[str, Any]) -> Entry:
    return Entry("timeprofile", read.uid, read.link_id, read.name or "", "", body)


def _person(read: Person, body: Mapping[str, Any]) -> Entry:
    name = read.identifier_owner and read.identifier_owner.name
    return Entry("identifier", read.uid, read.link_id, name or "", str(read.identifier_number), body)
