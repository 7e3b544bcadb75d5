"""Learns the habits of a host: some are deaf right after a connection is made, some close it after each reply or each few."""

from __future__ import annotations

_LONGEST_S = 5.0
_REMEMBERED_S = 86_400.0
_CLOSING = 2
"""After this many connections in a row that ended behind their only reply, the host closes after each reply; it takes one more
where they ended behind the same number of replies, soon after the last request."""
_PROMPTLY_S = 1.0


class FarEnd:
    """The habits of one host, as its connections have shown them. Times are monotonic seconds.

    A host is deaf at first when a unit missed the first requests of a connection and answered a later one; the time that
    this took is kept for a day, and so is the fact that a host closes after each reply. After a connection without any answer,
    the next one waits either the longest time or not at all, in turns: the host may be deaf for longer than a connection is
    tried, or all its units may simply be dead.
    """

    def __init__(self, delay_s: float | None = None) -> None:
        """`delay_s`: between a connection and its first request; None: learned."""
        self._fixed_s = delay_s
        self._learned_s = 0.0
        self._learned_until = 0.0
        self._silent = 0
        self._replies = 1
        self._closing = 0
        self._closing_until = 0.0
        self._opened_at = 0.0
        self._waited_s = 0.0
        self._answers = 0
        self._last_sent_at = 0.0
        self._unheard: set[int] = set()

    @property
    def closes(self) -> bool:
        """Whether the host closes after each reply, or after each few."""
        return self._closing >= _CLOSING + (self._replies > 1)

    @property
    def spent(self) -> bool:
        """Whether this connection has had all the replies that it gets."""
        return self._closing > 0 and self.closes and self._answers >= self._replies

    def wait_s(self, now: float) -> float:
        """The delay in seconds for a connection that is made now."""
        if self._fixed_s is not None:
            return self._fixed_s
        if self.closes:
            return 0.0
        if now < self._learned_until:
            return self._learned_s
        return _LONGEST_S if (self._silent + self._was_silent()) % 2 else 0.0

    def _was_silent(self) -> bool:
        return bool(self._unheard) and not self._answers

    def opened(self, now: float, waited_s: float) -> None:
        """Record a new connection; `waited_s` seconds have passed since it was made."""
        self._silent += self._was_silent()
        if now >= self._closing_until:
            self._closing = 0
        self._opened_at, self._waited_s = now - waited_s, waited_s
        self._answers = 0
        self._unheard.clear()

    def answered(self, unit: int, sent_at: float) -> None:
        """Record any reply of the unit, to a request that was sent at this time."""
        self._answers += 1
        self._last_sent_at = sent_at
        self._silent = 0
        if self._answers > self._replies:
            self._closing = 0
        if self._answers > 1:
            return
        late_s = sent_at - self._opened_at if unit in self._unheard else 0.0
        if late_s or self._waited_s:
            self._learned_s = min(_LONGEST_S, max(self._waited_s, late_s))
            self._learned_until = sent_at + _REMEMBERED_S

    def unanswered(self, unit: int) -> None:
        """Record a missed reply; a lost connection is not one."""
        self._unheard.add(unit)

    def closed_at_once(self) -> None:
        """Record that the host closed a connection before the first request: it closes connections that are idle too long."""
        self._learned_until = 0.0
        self._silent = 0
        self._unheard.clear()

    def closed(self, now: float) -> None:
        """Record that the host, not the gateway, closed the connection."""
        promptly = self._answers > 0 and now - self._last_sent_at < _PROMPTLY_S
        if self._answers != 1 and not promptly:
            self._closing = 0
        else:
            self._closing = self._closing + 1 if self._answers == self._replies else 1
            self._replies = self._answers
        self._closing_until = now + _REMEMBERED_S
