"""Asking one question until there is a reply: kept replies first, then attempts with pauses."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from caig.chat.message import Reply, Request
from caig.errors import CaigError
from evaluation.judge.budget import Budget
from evaluation.judge.config import ApiConfig
from evaluation.judge.protocol import Backend
from evaluation.judge.replies import Replies
from evaluation.judge.throttle import Throttle

PASSING = (408, 409, 425, 429)
"""Statuses below 500 that may pass; None, a cut connection or a broken reply, may pass, too."""


class Got(NamedTuple):
    """What came of a question.

    Attributes:
        reply: The last attempt's; None if no attempt was made.
        not_asked: Why nothing more was begun; empty if nothing stood in the way.
        is_kept: True if the reply had been paid for before.
    """

    reply: Reply | None
    not_asked: str = ""
    is_kept: bool = False


class Asker:
    """Asks one judge; safe to call from several threads.

    Args:
        backend: The judge.
        replies: Where replies are kept.
        budget: Bounds.
        config: Retries and pauses.
    """

    def __init__(
        self, backend: Backend, replies: Replies, budget: Budget, config: ApiConfig
    ) -> None:
        self._backend = backend
        self._replies = replies
        self._budget = budget
        self._config = config
        self._free = threading.Condition()
        self._under_way: set[str] = set()
        self.parallel = min(backend.parallel, config.concurrency)
        """Questions under way at most (count)."""
        self.throttle = Throttle(self.parallel)

    def key(self, request: Request, *, rubric: str, tier: str, sample: int) -> str:
        """What a reply is kept by: everything it depends on (SHA-256, hex).

        Args:
            request: Question; of its pictures the content counts, not where they lie.
            rubric: Identifier and checksum.
            tier: How the answer is read.
            sample: Number of the reply among several to the same question.
        """
        hashes = [hashlib.sha256(p.content).hexdigest() for p in request.pictures]
        said = request._replace(pictures=(), timeout_s=0.0)._asdict()
        parts = [self._backend.identity, said, hashes, rubric, tier, sample]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=dict).encode()).hexdigest()

    def ask(self, request: Request, key: str) -> Got:
        """Ask a question, unless its reply is kept.

        Raises:
            CaigError: No question would be answered.
        """
        with self._alone(key):
            kept = self._replies.find(key)
            if kept is not None:
                return Got(kept, is_kept=True)
            got = self._until_answered(request, key, keep=True)
        if got.reply is not None:
            self._budget.answered(failed=got.reply.status == "error")
        return got

    def ask_anew(self, request: Request) -> Reply:
        """Ask a question of the probe: neither kept nor taken from what is kept.

        Raises:
            CaigError: No question would be answered, or a bound is met already.
        """
        key = "probe " + self.key(request, rubric="", tier="", sample=0)
        got = self._until_answered(request, key, keep=False)
        if got.reply is None:
            raise CaigError(f"{self._backend.name}: not even tried: {got.not_asked} is met")
        return got.reply

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """No other thread asks the same question meanwhile: equal ads are paid for once."""
        with self._free:
            while key in self._under_way:
                self._free.wait()
            self._under_way.add(key)
        try:
            yield
        finally:
            with self._free:
                self._under_way.discard(key)
                self._free.notify_all()

    def _until_answered(self, request: Request, key: str, *, keep: bool) -> Got:
        reply: Reply | None = None
        for attempt in range(1 + self._config.max_retries):
            refused = self._budget.refuse()
            if refused:
                return Got(reply, refused)
            reply = self._attempt(request, key, keep=keep)
            if not _may_pass(reply):
                break
            if attempt < self._config.max_retries:
                time.sleep(self._pause(reply, attempt))
        return Got(reply)

    def _attempt(self, request: Request, key: str, *, keep: bool) -> Reply:
        usd: float | None = 0.0
        self.throttle.enter()
        reply = Reply("error", detail="refused for good", http_status=400)
        began = time.monotonic()
        try:
            self._replies.begin(key)
            try:
                reply = self._backend.attempt(request)
            except CaigError:
                self._replies.end(key, reply, usd=usd, seconds=0.0, keep=False)
                raise
            seconds = time.monotonic() - began
            usd = self._budget.price(reply)
            self._replies.end(key, reply, usd=usd, seconds=seconds, keep=keep)
        finally:
            self._budget.settle(usd)
            wait = min(reply.retry_after_s or 0.0, self._config.longest_pause_s)
            self.throttle.leave(reply.http_status, ok=reply.status != "error", wait_s=wait)
        return reply

    def _pause(self, reply: Reply, attempt: int) -> float:
        """Seconds to wait: as long as told, or longer each time, and not all at one moment."""
        longest = self._config.longest_pause_s
        if reply.retry_after_s is not None:
            return min(reply.retry_after_s, longest)
        return min(self._config.pause_s * 2.0**attempt, longest) * random.uniform(0.5, 1.0)


def _may_pass(reply: Reply) -> bool:
    if reply.status != "error":
        return False
    status = reply.http_status
    return status is None or status >= 500 or status in PASSING
