"""Whether somebody else commits to a panel. Pure.

The panel counts the commits of everybody, the driver those that it sent. Two gateways at one panel notice each other so.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import PanelStatus

_TOLD_S = 86_400.0
"""How long a foreign commit is a warning."""
_COUNTED = 1 << 16
"""The panel's count is a word that overflows."""
_MOST = _COUNTED // 2
"""A larger rise is a count that begins anew or belongs to another unit."""


@dataclass(frozen=True, slots=True)
class ForeignCommits:
    """What is known of the commits to one panel.

    `seen`: the panel's count at its last reading; None: no reading to compare with. `own`: the driver's count then.
    `foreign`: how many were somebody else's since the gateway started, `last_at`: when the last of them was noticed (Unix
    seconds).
    """

    seen: int | None = None
    own: int = 0
    foreign: int = 0
    last_at: float | None = None

    def read(self, status: PanelStatus, at: float) -> ForeignCommits:
        """A commit of the gateway whose outcome is not known is taken to have been carried out: it is no evidence."""
        if status.commit_count is None:
            return self
        fresh = 0
        if self.seen is not None:
            fresh = (status.commit_count - self.seen) % _COUNTED - (status.own_commits - self.own)
        news = 0 < fresh < _MOST
        return ForeignCommits(
            seen=status.commit_count,
            own=status.own_commits,
            foreign=self.foreign + fresh if news else self.foreign,
            last_at=at if news else self.last_at,
        )

    def warned(self, now: float) -> bool:
        """Whether somebody else committed within the last day."""
        return self.last_at is not None and now - self.last_at < _TOLD_S
