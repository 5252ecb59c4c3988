"""Replies that were paid for: appended and durable before anything else is done with them.

One file of JSON lines, which several runs may add to. A line is one attempt of one run: what it
was, what it cost, and the reply where one came. Only a complete reply is ever given again; a
refusal, a cut-off reply or a fault is kept for its cost alone. What is in the air when a process is
killed is known from the line that said it had begun.

A line that is torn, as by a crash, is left out; whoever opens the file next ends it.
"""

import json
import os
import threading
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from caig.chat.message import Reply, TokenLogprob
from caig.errors import ArtifactError


class Spent(NamedTuple):
    """What attempts came to.

    Attributes:
        n_attempts: Attempts (count).
        n_unpriced: Of these, without a known price (count).
        input_tokens: Tokens read, as far as told (count).
        output_tokens: Tokens written, as far as told (count).
        usd: Known price (US dollars).
        seconds: Time (seconds).
    """

    n_attempts: int = 0
    n_unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        return Spent(
            self.n_attempts + other.n_attempts,
            self.n_unpriced + other.n_unpriced,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
            self.seconds + other.seconds,
        )


class Replies:
    """The file, open for a run; a context manager.

    Args:
        path: The file; made if missing.
        job: Run that asks, the same one when it is resumed.
        read_only: Write nothing: for an estimate.

    Raises:
        ArtifactError: It cannot be written.
    """

    def __init__(self, path: Path, job: str, *, read_only: bool = False) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._kept: dict[str, Reply] = {}
        self._by_key: dict[str, Spent] = defaultdict(Spent)
        self._claimed: set[str] = set()
        self.n_unreadable = 0
        """Lines that were left out (count)."""
        self.in_the_air: dict[str, int] = defaultdict(int)
        """Attempts of this job that began and never ended, by key (count)."""
        self._file: BinaryIO | None = None
        try:
            content = path.read_bytes() if path.exists() else b""
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("ab")
        except OSError as error:
            raise ArtifactError(f"{path}: cannot keep replies here: {error.strerror}") from None
        for line in content.splitlines():
            self._read(line)
        if self._file and content and not content.endswith(b"\n"):
            self._file.write(b"\n")
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()

    def find(self, key: str) -> Reply | None:
        """A complete reply to the same question, of any run; None if there is none."""
        with self._lock:
            return self._kept.get(key)

    def claim(self, key: str) -> Spent:
        """What this job spent on a question, before it was cut off included.

        It is told once: of two ads with the same question, the first has the cost.
        """
        with self._lock:
            if key in self._claimed:
                return Spent()
            self._claimed.add(key)
            return self._by_key.get(key, Spent())

    def spent_in_all(self) -> Spent:
        """What this job spent, the probe's questions included."""
        with self._lock:
            total = Spent()
            for one in self._by_key.values():
                total = total.plus(one)
            return total

    def begin(self, key: str) -> None:
        """Note that an attempt begins. It need not survive a power failure, so it is not synced."""
        with self._lock:
            self.in_the_air[key] += 1
            self._append({"begun": key, "job": self._job})

    def end(self, key: str, reply: Reply, *, usd: float | None, seconds: float, keep: bool) -> None:
        """Record an attempt; durable when this returns.

        Args:
            key: Of the question.
            reply: What came of it.
            usd: Its price (US dollars); None if unknown.
            seconds: Its time (seconds).
            keep: Whether a complete reply may be given again.
        """
        complete = reply.status == "reply"
        entry: dict[str, Any] = {
            "key": key,
            "job": self._job,
            "status": reply.status if keep or not complete else "probe",
            "detail": reply.detail,
            "http": reply.http_status,
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "usd": usd,
            "seconds": round(seconds, 4),
        }
        if complete:
            entry |= {"text": reply.text, "first_token": reply.first_token}
        with self._lock:
            os.fsync(self._append(entry))
            self._remember(entry)

    def _append(self, entry: dict[str, Any]) -> int:
        assert self._file is not None, "opened to read only"
        # One write a line: lines of two processes do not mix.
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        return self._file.fileno()

    def _read(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            if "begun" in entry:
                if entry["job"] == self._job:
                    self.in_the_air[entry["begun"]] += 1
            else:
                self._remember(entry)
        except (ValueError, KeyError, TypeError):
            self.n_unreadable += 1 if line.strip() else 0

    def _remember(self, entry: dict[str, Any]) -> None:
        key = str(entry["key"])
        if entry["status"] == "reply":
            told = entry["first_token"]
            first = None if told is None else tuple(TokenLogprob(str(t), float(p)) for t, p in told)
            self._kept[key] = Reply(
                "reply",
                str(entry["text"]),
                "",
                entry["input_tokens"],
                entry["output_tokens"],
                entry["http"],
                first_token=first,
            )
        if entry["job"] != self._job:
            return
        self.in_the_air[key] -= 1
        if self.in_the_air[key] <= 0:
            del self.in_the_air[key]
        usd = entry["usd"]
        self._by_key[key] = self._by_key[key].plus(
            Spent(
                1,
                usd is None,
                entry["input_tokens"] or 0,
                entry["output_tokens"] or 0,
                usd or 0.0,
                entry["seconds"],
            )
        )
