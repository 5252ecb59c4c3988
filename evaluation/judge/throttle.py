"""How many questions are under way at a time: more while all is well, half when a server is busy.

Additive increase and multiplicative decrease, as of congestion on networks (Chiu and Jain 1989).
A server that says how long to wait (``Retry-After``) stops all questions for that long, not the one
alone that was told so.
"""

import threading
import time
from collections.abc import Callable

BUSY = (429, 503, 529)
"""Statuses that say a server has too much to do."""

FIRST = 2.0
"""Questions under way at the beginning."""

QUIET_S = 1.0
"""Refusals within so long of a halving are of the same moment and halve nothing (seconds)."""


class Throttle:
    """Bounds of what is under way; used from several threads.

    Args:
        most: Questions under way at most.
        clock: Time (seconds), monotonic.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(most)
        self._clock = clock
        self._changed = threading.Condition()
        self._running = 0
        self._open_at = self._halved_at = -float("inf")
        self.limit = min(FIRST, self._most)
        """Questions that may be under way now; the whole part counts."""
        self.n_halved = 0
        """How often a busy server halved it (count)."""

    def enter(self) -> None:
        """Wait until one more may begin."""
        with self._changed:
            while True:
                wait = self._open_at - self._clock()
                if wait <= 0 and self._running < int(self.limit):
                    self._running += 1
                    return
                self._changed.wait(wait if wait > 0 else None)

    def leave(self, http_status: int | None, *, ok: bool, wait_s: float = 0.0) -> None:
        """One has ended.

        Args:
            http_status: Of its answer; None if none came.
            ok: Whether an answer came that can be used.
            wait_s: How long the server asks everybody to wait (seconds).
        """
        with self._changed:
            self._running -= 1
            now = self._clock()
            if http_status in BUSY:
                if now - self._halved_at >= QUIET_S:
                    self.limit = max(1.0, self.limit / 2)
                    self._halved_at = now
                    self.n_halved += 1
                self._open_at = max(self._open_at, now + wait_s)
            elif ok:
                self.limit = min(self._most, self.limit + 1 / self.limit)
            self._changed.notify_all()
