"""Which panels a link_id is for: the file's rules, and what was set through the API in their place. Pure.

A name is a panel (`gate`), an output of a panel (`gate:3`, counted from 0), a group (`@doors`) or `@all`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.settings import BindingSettings
from gateway.fleet.views import UnknownPanel

EVERY = "*"
_OUTPUT = re.compile(r"(?P<panel>[^:@]+):(?P<output>[0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Target:
    """One panel that a link_id is for. `whole`: the panel itself is; `outputs`: those of its outputs that are, ascending."""

    panel: str
    outputs: tuple[int, ...] = ()
    whole: bool = True


class Bindings:
    """One set of rules. `panels` maps every panel of the site, in its order, to the number of its outputs (None: not known).

    Rules that name the same link_id, or `*`, are united, in the order they are written; `overrides` (link_id -> names)
    replace all of them. Names that this site does not have are passed over: they may come back with a panel.
    """

    def __init__(
        self,
        panels: Mapping[str, int | None],
        groups: Mapping[str, Sequence[str]],
        rules: Sequence[BindingSettings],
        overrides: Mapping[str, Sequence[str]],
    ) -> None:
        self._panels = panels
        self._groups = groups
        self._rules = rules
        self._overrides = overrides
        self._places: dict[str, list[int]] = {}
        for place, rule in enumerate(rules):
            self._places.setdefault(rule.link_id, []).append(place)
        self._for_any = self._by_rules(self._places.get(EVERY, ()))
        self._resolved: dict[tuple[str, ...], tuple[str, ...]] = {}

    def resolve(self, link_id: str) -> tuple[str, ...]:
        """Panels and outputs, each once, e.g. ``("lobby", "gate:3")``."""
        own = self._overrides.get(link_id)
        if own is not None:
            return self._override(tuple(own))
        places = self._places.get(link_id)
        if places is None:
            return self._for_any
        return self._by_rules(sorted({*self._places.get(EVERY, ()), *places}))

    def targets(self, link_id: str) -> tuple[Target, ...]:
        """The same, one entry a panel."""
        return by_panel(self.resolve(link_id))

    def check(self, names: Iterable[str]) -> tuple[str, ...]:
        """The panels and outputs that `names` mean. Raises UnknownPanel for the first that this site does not have."""
        return self._united([list(names)], strict=True)

    def _by_rules(self, places: Iterable[int]) -> tuple[str, ...]:
        return self._united(self._rules[place].panels for place in places)

    def _override(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if names not in self._resolved:
            self._resolved[names] = self._united([names])
        return self._resolved[names]

    def _united(self, several: Iterable[Iterable[str]], *, strict: bool = False) -> tuple[str, ...]:
        return tuple(dict.fromkeys(found for names in several for name in names for found in self._meant(name, strict)))

    def _meant(self, name: str, strict: bool) -> Iterator[str]:
        if name == "@all":
            yield from self._panels
        elif name.startswith("@") and name[1:] in self._groups:
            for member in self._groups[name[1:]]:
                yield from self._one(member, strict=False)
        else:
            yield from self._one(name, strict)

    def _one(self, name: str, strict: bool) -> Iterator[str]:
        match = _OUTPUT.fullmatch(name)
        if match is None and name in self._panels:
            yield name
        elif match is not None and self._has_output(match["panel"], int(match["output"])):
            yield f"{match['panel']}:{int(match['output'])}"
        elif strict:
            raise UnknownPanel(name)

    def _has_output(self, panel: str, output: int) -> bool:
        if panel not in self._panels:
            return False
        outputs = self._panels[panel]
        return outputs is None or output < outputs


def by_panel(names: Iterable[str]) -> tuple[Target, ...]:
    """Resolved names (`gate`, `gate:3`) by panel, in the order of first mention."""
    outputs: dict[str, set[int]] = {}
    whole: set[str] = set()
    for name in names:
        panel, _, output = name.partition(":")
        numbers = outputs.setdefault(panel, set())
        if output:
            numbers.add(int(output))
        else:
            whole.add(panel)
    return tuple(Target(panel, tuple(sorted(numbers)), panel in whole) for panel, numbers in outputs.items())
