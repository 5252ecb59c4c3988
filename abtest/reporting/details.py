"""The report's further tables: which columns of which contract are shown, under which words.

Nothing is computed here. A table of a contrast is shown if it has rows, and if it says what is so
rather than what was counted, only where a verdict may be given. HTML and Markdown show the same
cells.
"""

from dataclasses import dataclass

import polars as pl

from abtest.reporting.detail_cells import (
    Cell,
    count,
    ctr,
    interval,
    lift,
    limits,
    name,
    number,
    p_value,
    share,
    words,
    yes,
)
from caig.contracts.experiments import ALL_CATEGORIES

MOST_ROWS = 120
FOLDED_BEYOND = 12
DECISION_METHODS = ("max_z",)


@dataclass(frozen=True)
class Detail:
    """One table of the report.

    Attributes:
        identifier: Contract of its rows.
        title: Heading.
        note: What a reader must know to read it.
        columns: Heading and cell of every column.
        keep: Rows that are shown.
        first: Column whose smallest values come first; None leaves the table's order.
        decides: It names winners, chances or states; left out where the verdict is withheld.
    """

    identifier: str
    title: str
    note: str
    columns: tuple[tuple[str, Cell], ...]
    keep: pl.Expr | None = None
    first: str | None = None
    decides: bool = False


@dataclass(frozen=True)
class DetailView:
    """A table as the templates take it: headings, and rows of texts, the first a name."""

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left_out: int

    @property
    def is_long(self) -> bool:
        """Whether HTML shows it folded."""
        return len(self.rows) > FOLDED_BEYOND


DETAILS = (
    Detail(
        "top_categories/1",
        "All categories and those with the most traffic",
        "Both arms side by side; p is corrected as in the table above.",
        (
            ("category", name("category")),
            ("traffic", share("traffic_share")),
            ("CTR control", ctr("control_ctr")),
            ("CTR treatment", ctr("treatment_ctr")),
            ("lift", lift("rel_lift")),
            ("interval", interval("rel_lift")),
            ("p corr.", p_value("p_value_adj")),
            ("verdict", words("verdict")),
        ),
    ),
    Detail(
        "overall_lifts/1",
        "Overall lift by other estimators",
        "Post-stratified and Mantel-Haenszel hold the mix of categories fixed; where they differ "
        "from the pooled lift, the arms' mixes differ. Variance is relative to the pooled one.",
        (
            ("estimator", words("estimator")),
            ("lift", lift("rel_lift")),
            ("interval", interval("rel_lift")),
            ("p", p_value("p_value")),
            ("variance", number("variance_ratio")),
        ),
    ),
    Detail(
        "mix_shift/1",
        "Where the pooled lift comes from",
        "Within: better CTR inside categories. Mix: traffic that moved between them.",
        (
            ("category", name("category")),
            ("share control", share("control_share")),
            ("share treatment", share("treatment_share")),
            ("within", lift("within_part")),
            ("mix", lift("mix_part")),
            ("p of mix", p_value("p_value")),
            ("reading", words("reading")),
        ),
        pl.col("category") == ALL_CATEGORIES,
    ),
    Detail(
        "heterogeneity/1",
        "Do categories differ?",
        "Errors of categories taken as independent. tau: standard deviation of true log lifts; "
        "mean lift: of true lifts.",
        (
            ("categories", count("n_categories")),
            ("Q", number("q", 1)),
            ("p", p_value("p_value")),
            ("I2", share("i2")),
            ("tau", number("tau", 3)),
            ("mean lift", lift("mean_lift")),
            ("interval", interval("mean_lift")),
        ),
    ),
    Detail(
        "joint_heterogeneity/2",
        "Do categories differ, allowing for the errors they share?",
        "Wald: with the covariance of the categories' errors, as units meet several. tau by "
        "Paule-Mandel and DerSimonian-Laird, for comparison.",
        (
            ("Wald", number("wald", 1)),
            ("df", count("rank")),
            ("p", p_value("p_value")),
            ("tau PM", number("tau_pm", 3)),
            ("tau DL", number("tau_dl", 3)),
        ),
    ),
    Detail(
        "selected_lifts/1",
        "Significant categories, corrected for having been selected",
        "A category that was called significant looks better than it is. The corrected lift is the "
        "most likely one given that it was selected. M: how much such a lift is exaggerated when "
        "selected, S: how often its sign is wrong.",
        (
            ("category", name("category")),
            ("lift", lift("rel_lift")),
            ("corrected", lift("rel_lift_corrected")),
            ("interval", interval("rel_lift_corrected")),
            ("M", number("type_m")),
            ("S", share("type_s")),
        ),
        decides=True,
    ),
    Detail(
        "category_intervals/1",
        "Intervals that hold for all categories together",
        "Simultaneous: with the stated confidence none of them misses (max |z|, joint errors).",
        (
            ("category", name("category")),
            ("lift", lift("rel_lift")),
            ("interval", interval("rel_lift")),
            ("p adj.", p_value("p_value_adj")),
        ),
        pl.col("method").is_in(DECISION_METHODS),
        decides=True,
    ),
    Detail(
        "category_posterior/1",
        "Chances by category",
        "Given the spread between categories. Loss: the mean lift forgone if the choice is wrong.",
        (
            ("category", name("category")),
            ("shrunk lift", lift("rel_lift_shrunk")),
            ("interval", interval("rel_lift_shrunk")),
            ("better", share("p_better")),
            ("no matter", share("p_rope")),
            ("loss if shipped", lift("expected_loss_ship")),
            ("loss if held", lift("expected_loss_hold")),
        ),
        decides=True,
    ),
    Detail(
        "adjusted_lifts/1",
        "With what units did before taken out of the noise (CUPED)",
        "Variance gone: how much the pre-period explains.",
        (
            ("category", name("category")),
            ("lift", lift("rel_lift")),
            ("interval", interval("rel_lift")),
            ("p", p_value("p_value")),
            ("variance gone", share("variance_reduction")),
        ),
    ),
    Detail(
        "guardrails/1",
        "Guardrails",
        "One-sided: not worse than the margin. Inconclusive means neither was shown.",
        (
            ("metric", words("metric")),
            ("margin", share("margin")),
            ("lift", lift("rel_lift")),
            ("bounds", limits("rel_lift_bound_lower", "rel_lift_bound_upper")),
            ("p corr.", p_value("p_value_adj")),
            ("state", words("state")),
        ),
        decides=True,
    ),
    Detail(
        "arm_comparison/1",
        "All arms",
        "Simultaneous intervals against control (Dunnett). In the best set: may be the best arm.",
        (
            ("arm", name("arm")),
            ("lift", lift("rel_lift")),
            ("interval", interval("rel_lift")),
            ("p", p_value("p_value_dunnett")),
            ("best", share("p_best")),
            ("loss if chosen", lift("expected_loss")),
            ("in best set", yes("in_best_set")),
        ),
        decides=True,
    ),
    Detail(
        "day_effects/1",
        "Is the lift the same every day?",
        "Trend: change of log lift from a day to the next; falling is novelty wearing off.",
        (
            ("state", words("status")),
            ("days", count("n_days")),
            ("Wald", number("wald", 1)),
            ("df", count("df")),
            ("p", p_value("p_value")),
            ("trend a day", lift("trend_per_day")),
            ("interval", interval("trend_per_day")),
            ("p of trend", p_value("trend_p_value")),
            ("reading", words("trend")),
        ),
        decides=True,
    ),
    Detail(
        "looks/1",
        "Looks",
        "Overall. A boundary belongs to a planned look; the always-valid p may be read on any day.",
        (
            ("day", words("day")),
            ("planned", yes("planned")),
            ("lift", lift("rel_lift")),
            ("z", number("z")),
            ("boundary", number("boundary")),
            ("crossed", yes("crossed")),
            ("always-valid p", p_value("p_value_anytime")),
        ),
        pl.col("category") == ALL_CATEGORIES,
        decides=True,
    ),
    Detail(
        "aa_test/1",
        "The analysis' own error on this log",
        "Units assigned to arms anew at random: no lift is there to be found, and a test at the "
        "stated level should find one as rarely as that.",
        (
            ("scope", words("scope")),
            ("assignments", count("replicates")),
            ("tests", count("tests")),
            ("found", count("rejections")),
            ("rate", share("false_positive_rate")),
            ("lower", share("false_positive_rate_ci_lower")),
            ("upper", share("false_positive_rate_ci_upper")),
            ("permutation p", p_value("permutation_p_value")),
        ),
    ),
    Detail(
        "creative_drivers/1",
        "Creatives that raise or lower their category's lift most",
        "The largest at either end of every category. CTR ratio: the creative's shrunk CTR over "
        "control's in the category. Contribution: its share of traffic times (ratio - 1).",
        (
            ("creative", name("creative_id")),
            ("product", name("product_id")),
            ("category", name("category")),
            ("traffic", share("traffic_share")),
            ("CTR ratio", number("ctr_ratio")),
            ("contribution", lift("contribution")),
            ("interval", interval("contribution")),
        ),
        pl.col("rank") == 1,
    ),
    Detail(
        "image_tests/1",
        "Do the images of a product differ?",
        "Within one arm, smallest p first; corrected over the arm's products. Products with too "
        "few clicks for the test are left out. In a log of more than creatives.max_arms arms "
        "there are these tests only, and no ranking of creatives.",
        (
            ("product", name("product_id")),
            ("category", name("category")),
            ("arm", name("arm")),
            ("images", count("n_creatives")),
            ("impressions", count("n_impressions")),
            ("clicks", count("n_clicks")),
            ("chi2", number("statistic", 1)),
            ("df", count("dof")),
            ("p", p_value("p_value")),
            ("p corr.", p_value("p_value_adj")),
        ),
        pl.col("status") == "ok",
        "p_value",
    ),
    Detail(
        "lift_intervals/1",
        "The overall effect by every method",
        "For comparison; the verdict rests on the method named at the end of this report.",
        (
            ("quantity", words("quantity")),
            ("method", words("method")),
            ("estimate", number("estimate", 5)),
            ("lower", number("ci_lower", 5)),
            ("upper", number("ci_upper", 5)),
            ("p", p_value("p_value")),
            ("state", words("state")),
        ),
        pl.col("category") == ALL_CATEGORIES,
    ),
)


def detail_views(
    tables: dict[str, pl.DataFrame], experiment: str, contrast: str, *, is_withheld: bool = False
) -> tuple[list[DetailView], list[str]]:
    """The further tables of one contrast that have rows.

    Args:
        tables: Tables by contract identifier.
        experiment: Experiment.
        contrast: Contrast; a table that compares arms is shown with each.
        is_withheld: Whether the contrast's verdict is withheld.

    Returns:
        The tables to show, and the titles of those that were left out because they decide.
    """
    views, left_out = [], []
    for detail in DETAILS:
        shown = _rows(detail, tables, experiment, contrast)
        if shown.is_empty():
            continue
        if is_withheld and detail.decides:
            left_out.append(detail.title)
            continue
        rows = tuple(
            tuple(cell(row) for _, cell in detail.columns)
            for row in shown.head(MOST_ROWS).iter_rows(named=True)
        )
        headings = tuple(heading for heading, _ in detail.columns)
        n_left_out = shown.height - len(rows)
        views.append(DetailView(detail.title, detail.note, headings, rows, n_left_out))
    return views, left_out


def _rows(
    detail: Detail, tables: dict[str, pl.DataFrame], experiment: str, contrast: str
) -> pl.DataFrame:
    table = tables.get(detail.identifier)
    if table is None or table.is_empty():
        return pl.DataFrame()
    shown = table.filter(pl.col("experiment_id") == experiment)
    if "contrast" in table.columns and "arm" not in table.columns:
        shown = shown.filter(pl.col("contrast") == contrast)
    if detail.keep is not None:
        shown = shown.filter(detail.keep)
    if detail.first is not None:
        shown = shown.sort(detail.first, maintain_order=True)
    return shown
