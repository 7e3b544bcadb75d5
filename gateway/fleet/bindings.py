"""Which panels an item is for: the file's rules, and what was set through the API in their place. Pure.

A name is a panel (`gate`), an output of a panel (`gate:3`, counted from 0), a group (`@doors`) or `@all`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from config.settings import BindingSettings
from gateway.fleet.target import Target, read_target
from gateway.fleet.views import UnknownPanel

EVERY = "*"
Targets = tuple[Target, ...]


class Bindings:
    """One set of rules. `panels` maps every panel of the site, in its order, to the number of its outputs (None: any may be
    bound, and the panel refuses those it has not got).

    Rules that name the same link_id, or `*`, are united, in the order they are written; `overrides` (link_id -> names)
    replace all of them. `readers`: the panels that take identifiers. Names that this site does not have are passed over: they
    may come back with a panel.
    """

    def __init__(
        self,
        panels: Mapping[str, int | None],
        groups: Mapping[str, Sequence[str]],
        rules: Sequence[BindingSettings],
        overrides: Mapping[str, Sequence[str]],
        readers: Collection[str] = (),
    ) -> None:
        self._panels = panels
        self._groups = groups
        self._rules = rules
        self._overrides = overrides
        self._readers = frozenset(readers)
        self._places: dict[str, list[int]] = {}
        for place, rule in enumerate(rules):
            self._places.setdefault(rule.link_id, []).append(place)
        self._resolved: dict[tuple[str, ...], Targets] = {}
        """What names mean: most items are bound as others are."""
        self._for_any = self._by_rules(self._places.get(EVERY, ()))

    def resolve(self, link_id: str) -> Targets:
        """Panels and outputs, each once."""
        own = self._overrides.get(link_id)
        if own is not None:
            return self._named(tuple(own))
        places = self._places.get(link_id)
        if places is None:
            return self._for_any
        return self._by_rules(sorted({*self._places.get(EVERY, ()), *places}))

    def missing(self, link_id: str) -> tuple[str, ...]:
        """Names in the binding of a link_id that mean nothing here: what they meant has left the site."""
        return tuple(name for name in self._overrides.get(link_id, ()) if not self._is_known(name))

    def _is_known(self, name: str) -> bool:
        if name.startswith("@"):
            return name == "@all" or name[1:] in self._groups
        target = read_target(name)
        return target is not None and target.panel in self._panels

    def resolve_identifier(self, link_id: str) -> Targets:
        """The binding of an identifier: what is bound to any item counts only where there are readers, and for no output."""
        own = self._overrides.get(link_id)
        if own is not None:
            return self._named(tuple(own))
        for_any = (target for target in self._for_any if target.output is None and target.panel in self._readers)
        return tuple(dict.fromkeys((*for_any, *self._by_rules(self._places.get(link_id, ())))))

    def check(self, names: Iterable[str]) -> Targets:
        """The panels and outputs that `names` mean. Raises UnknownPanel for the first that this site does not have."""
        return self._united(names, strict=True)

    def _by_rules(self, places: Iterable[int]) -> Targets:
        return self._named(tuple([name for place in places for name in self._rules[place].panels]))

    def _named(self, names: tuple[str, ...]) -> Targets:
        if names not in self._resolved:
            self._resolved[names] = self._united(names)
        return self._resolved[names]

    def _united(self, names: Iterable[str], *, strict: bool = False) -> Targets:
        return tuple(dict.fromkeys(found for name in names for found in self._meant(name, strict)))

    def _meant(self, name: str, strict: bool) -> Iterator[Target]:
        if name == "@all":
            yield from map(Target, self._panels)
        elif name.startswith("@") and name[1:] in self._groups:
            for member in self._groups[name[1:]]:
                yield from self._one(member, strict=False)
        else:
            yield from self._one(name, strict)

    def _one(self, name: str, strict: bool) -> Iterator[Target]:
        target = read_target(name)
        if target is not None and self._has(target):
            yield target
        elif strict:
            raise UnknownPanel(name)

    def _has(self, target: Target) -> bool:
        if target.panel not in self._panels:
            return False
        outputs = self._panels[target.panel]
        return target.output is None or outputs is None or target.output < outputs
