"""``caig ingest`` and ``caig pairs``: logs of ads become runs, and runs of ads become pairs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def ingest(
    *source: Path,
    images: Path | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """Read a log of ads with their impressions and clicks into a run.

    Reads the CreativeRanking lists, their JSON derivative, a folder of images with a table of
    counts (CSV, TSV, Parquet shards), or headline tests of the Upworthy archive. Every picture is
    decoded. What is wrong is told in one message with file, row, column and value, and nothing is
    written. The run holds creatives (of headline tests: headlines), creative_counts and products,
    creative_days where the log names days, and left_out where something was left out; its folder
    is the last line printed.

    Args:
        source: One folder, or files of one kind.
        images: Folder that image names are relative to; by default that of the counts, or for the
            CreativeRanking lists the folder images beside them.
        config: TOML file: columns, problems, split, pictures; see docs/pairs.md.
        set_: One value over the file's, e.g. --set problems.lone_creative=skip.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.config import IngestConfig
    from caig.data.console import counting_bar, print_ingested
    from caig.data.ingest import read_source, write_ingested
    from caig.errors import CaigError

    if not source:
        raise CaigError("name the log: caig ingest SOURCE (a folder, or files of one kind)")
    settings = load_config(IngestConfig, config, set_)
    with (
        counting_bar("pictures") as advance,
        read_source(source, images, settings, advance=advance) as ingested,
    ):
        path = write_ingested(ingested, settings, runs)
    print_ingested(ingested)
    print(path)


def pairs(
    run: Path,
    /,
    *,
    rule: Annotated[str | None, Parameter(show_default=False)] = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """Make the pairs of ads of one product that models are trained and judged on.

    Each pair comes once, its sides settled by a hash, with the posterior probability that the left
    ad's click-through rate is the higher. Splits are by product, and no picture is in two of them.
    The run holds creative_pairs and click_prior; its folder is the last line printed.

    Args:
        run: Run of ads with counts, as a folder or an id: of caig ingest or caig make-data.
        rule: any, ge_20 (higher CTR at least 1.20 times the lower), caig_5_20 (1.05 to 1.20
            times) or significant (they differ by a test of two proportions at 5 %).
        config: TOML file: rule, min_impressions, split, prior; see docs/pairs.md.
        set_: One value over the file's, e.g. --set min_impressions=2000.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.config import PairsConfig
    from caig.data.console import print_pairs
    from caig.data.making import make_pairs
    from caig.data.sources import open_run

    settings = load_config(PairsConfig, config, (*set_, *((f"rule={rule}",) if rule else ())))
    path, tally = make_pairs(open_run(run, runs), settings, runs)
    print_pairs(tally, settings)
    print(path)
