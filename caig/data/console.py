"""What ``caig ingest`` and ``caig pairs`` show in a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from caig import text
from caig.data.config import PairsConfig
from caig.data.ingest import Ingested
from caig.data.pairs import Tally

WIDTH = 100

REASONS = {
    "same_picture": "both ads show the same picture",
    "no_click": "an ad was never clicked",
    "tied": "equal click-through rates",
    "outside": "outside the rule's bounds",
}


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int], None]]:
    """A count on a terminal while the context lasts; gives the function that advances it."""
    console = Console(stderr=True)
    columns = (TextColumn(what), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda more: bar.advance(task, more)


def print_ingested(ingested: Ingested) -> None:
    """One line of what was read, and one of what was left out."""
    ads = ingested.ads
    products = ads["product_id"].n_unique()
    impressions, clicks = int(ads["n_impressions"].sum()), int(ads["n_clicks"].sum())
    rate = text.ctr(clicks / impressions if impressions else None)
    print(
        f"{text.plural(ads.height, 'ad')} of {text.plural(products, 'product')}: "
        f"{impressions:,} impressions, {clicks:,} clicks, CTR {rate}"
    )
    for reason, number in ingested.left_out["reason"].value_counts(sort=True).iter_rows():
        print(f"left out: {number:,} ({reason.replace('_', ' ')})")


def print_pairs(tally: Tally, config: PairsConfig) -> None:
    """Pairs by split, and what became of the other candidates."""
    table = Table(title=f"Pairs, rule {config.rule}", title_justify="left")
    table.add_column("")
    table.add_column("pairs", justify="right")
    for split, number in tally.kept.items():
        table.add_row(split, text.count(number))
    for reason, words in REASONS.items():
        table.add_row(f"left out: {words}", text.count(getattr(tally, reason)))
    Console(width=WIDTH).print(table)
    print(
        f"left ad the better one in {text.percent(tally.left_better / tally.pairs)}; whoever knew "
        f"the true rates would be expected right on {text.percent(tally.certainty / tally.pairs)}"
    )
