"""What may still be begun: bounds of money, time and patience, over all threads."""

import threading
import time

from caig.chat.message import Reply
from evaluation.judge.config import JudgeConfig
from evaluation.judge.replies import Spent


class Budget:
    """Bounds of one run.

    A question that is under way has its likely price set aside, as large as any before it, so that
    several at a time cannot exceed the bound together. Attempts without a known price, whose
    connection was cut after the server had done the work, count as the dearest one seen.

    Args:
        config: Bounds and prices.
        before: What the run spent before it was cut off.
        is_free: True if no reply costs money.
    """

    def __init__(self, config: JudgeConfig, before: Spent, *, is_free: bool) -> None:
        self._config = config
        self._is_free = is_free
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + 60 * config.max_minutes if config.max_minutes else None
        self._spent, self._n_unpriced = before.usd, before.n_unpriced
        self._dearest = before.usd / max(1, before.n_attempts - before.n_unpriced)
        self._under_way = 0
        self._failed_in_a_row = 0

    def price(self, reply: Reply) -> float | None:
        """Price of an attempt (US dollars); None if unknown.

        A server that answers with an error status charges nothing.
        """
        api = self._config.api
        if self._is_free or (reply.http_status or 0) >= 400:
            return 0.0
        if not (api.usd_per_million_input and api.usd_per_million_output):
            return None
        if reply.input_tokens is None or reply.output_tokens is None:
            return None
        return (
            reply.input_tokens * api.usd_per_million_input
            + reply.output_tokens * api.usd_per_million_output
        ) / 1e6

    def refuse(self) -> str:
        """Set aside one attempt; or why none may be begun."""
        config = self._config
        with self._lock:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return "max_minutes"
            if self._failed_in_a_row >= config.api.give_up_after:
                return "give_up_after"
            taken = self._spent + self._dearest * (self._n_unpriced + self._under_way + 1)
            if config.max_usd and not self._is_free and taken > config.max_usd:
                return "max_usd"
            self._under_way += 1
        return ""

    def settle(self, usd: float | None) -> None:
        """An attempt that was set aside has ended."""
        with self._lock:
            self._under_way -= 1
            self._n_unpriced += usd is None
            self._spent += usd or 0.0
            self._dearest = max(self._dearest, usd or 0.0)

    def answered(self, *, failed: bool) -> None:
        """A question has ended, answered or not."""
        with self._lock:
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0

    @property
    def usd(self) -> float:
        """Spent so far, as far as known (US dollars)."""
        with self._lock:
            return self._spent
