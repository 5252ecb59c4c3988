"""A progress bar for whatever takes long."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ShownProgress:
    """A bar on standard error, on a terminal only.

    Args:
        doing: What is being done, e.g. ``painting``.
        noun: What is counted, in the plural.
    """

    def __init__(self, doing: str, noun: str) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn(doing),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._noun = noun
        self._task = self._bar.add_task(doing, total=None, note=noun)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, done: int, total: int, usd: float | None = None) -> None:
        """``done`` of ``total`` are done, for ``usd`` dollars so far if it is paid for."""
        note = self._noun if usd is None else f"{self._noun}  ${usd:.2f}"
        self._bar.update(self._task, completed=done, total=total, note=note)
