"""What ``caig judge`` shows in a terminal."""

import sys

import polars as pl

from caig import text
from evaluation.judge.estimating import Estimate
from evaluation.judge.record import Judged
from evaluation.judge.results import ALL

WORDS = {
    "judged": "judged",
    "void": "without meaning",
    "no_verdict": "reply is no verdict",
    "low_mass": "yes and no unlikely",
    "refused": "refused",
    "truncated": "reply cut off",
    "failed": "failed",
    "bad_picture": "picture cannot be read",
    "not_asked": "not asked",
}


def print_judged(made: Judged) -> None:
    """Rates, what is unknown and why, and what it cost."""
    name = made.rubric.name
    overall = made.results.filter(pl.col("slice") == ALL)
    for row in overall.iter_rows(named=True):
        rate = text.percent(row["estimate"])
        if row["estimate"] is not None:
            limits = " to ".join(text.percent(row[f"ci_{side}"]) for side in ("lower", "upper"))
            rate += f" [{limits}]"
        words = row["metric"].removesuffix("_naive").removesuffix("_rate").replace("_", " ")
        left = f", {row['n_unscored']:,} unknown" if row["n_unscored"] else ""
        print(f"{text.printable(row['subject'])}: {words} {rate} of {row['n']:,}{left}")
    print("these rates are the judge's: its own errors are not corrected")
    whole = made.judgements.filter(pl.col("question") == name)
    counted = whole["status"].value_counts(sort=True)
    for status, number in counted.iter_rows():
        if status != "judged":
            print(f"  unknown: {text.plural(number, 'ad')}: {WORDS[status]}")
    spent = made.spent
    cost = f"${spent.usd:.4f}"
    if spent.n_unpriced:
        cost += f" known; {text.plural(spent.n_unpriced, 'attempt')} of unknown price"
    print(
        f"tier {made.ability.tier}; {text.plural(spent.n_attempts, 'attempt')}, "
        f"{spent.input_tokens:,} tokens read, {spent.output_tokens:,} written; cost {cost}"
    )
    if made.n_in_the_air:
        print(
            f"{text.plural(made.n_in_the_air, 'attempt')} had begun when the run was cut off; "
            "whether they were charged is not known",
            file=sys.stderr,
        )


def print_estimate(found: Estimate) -> None:
    """What would be asked, as ``--dry-run`` says it."""
    print(
        f"{text.plural(found.n_items, 'ad')}, "
        f"{text.plural(found.n_questions, 'question')} at most, "
        f"{found.n_kept:,} of them answered before"
    )
    if found.n_unreadable:
        print(f"{text.plural(found.n_unreadable, 'picture')} cannot be read")
    cost = "unknown without prices" if found.usd is None else f"${found.usd:.2f}"
    print(
        f"about {found.input_tokens:,} tokens to read and {found.output_tokens:,} to write, "
        f"by tier {found.tier}, each question once: roughly {cost}"
    )
