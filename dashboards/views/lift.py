"""Lift: where does the treatment win? Forest plot and table by category, on one axis."""

import polars as pl
import streamlit as st

from caig import text
from caig.contracts.experiments import ALL_CATEGORIES, VERDICTS
from dashboards import charts, components, frames, phrases, picker

SORTS = {
    "Traffic": (pl.col("impressions_control") + pl.col("impressions_treatment"), True),
    "Lift": (pl.col("rel_lift"), True),
    "p-value": (pl.col("p_value"), False),
}
IS_OVERALL = pl.col("category") == ALL_CATEGORIES


@st.fragment
def explore(rows: pl.DataFrame) -> None:
    """Filters, plot, table and download; a filter reruns only this part.

    Args:
        rows: All rows of ``lift_table/1`` of one contrast.
    """
    overall = rows.filter(IS_OVERALL)
    categories = rows.filter(~IS_OVERALL)
    shown = pl.concat([_filtered(categories), overall])
    n_shown = shown.height - overall.height
    all_words = text.plural(categories.height, "category", "categories")
    st.caption(f"Showing {n_shown} of {all_words}; the axis does not change with the filter.")
    if n_shown == 0 and categories.height:
        components.nothing_here("No category fits these filters. The overall row stays.")
    first = overall.row(0, named=True)
    components.chart(
        charts.forest(shown, reach=charts.axis_reach(rows), confidence=phrases.confidence(first)),
        alt_text=phrases.forest_alt(shown, first),
        key="forest",
    )
    st.subheader("Figures", anchor=False)
    components.table(
        frames.lift_frame(shown),
        frames.LIFT_FORMATS,
        alt_text="Lift, interval, p-values and traffic of the categories shown",
        max_rows=46,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        components.csv_button(shown, name="lift_table.csv", key="lift_csv")
        st.caption(
            "The rows shown, with all columns of lift_table/1; lifts and CTR as fractions.",
            width="stretch",
        )


def _filtered(categories: pl.DataFrame) -> pl.DataFrame:
    present = [verdict for verdict in VERDICTS if verdict in set(categories["verdict"])]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sort = st.segmented_control(
            "Sort by", list(SORTS), default="Traffic", required=True, key="sort",
            bind="query-params",
        )  # fmt: skip
        words = st.pills(
            "Verdict",
            [text.VERDICT_WORDS[verdict] for verdict in present],
            selection_mode="multi",
            key="verdict",
            bind="query-params",
        )
        search = st.text_input(
            "Category contains", key="search", bind="query-params", icon=":material/search:",
            max_chars=100,
        )  # fmt: skip
    if words:
        wanted = [verdict for verdict in present if text.VERDICT_WORDS[verdict] in words]
        categories = categories.filter(pl.col("verdict").is_in(wanted))
    if search:
        lowered = pl.col("category").str.to_lowercase()
        categories = categories.filter(lowered.str.contains(search.lower(), literal=True))
    by, descending = SORTS[sort or "Traffic"]
    return categories.sort(by, descending=descending, nulls_last=True, maintain_order=True)


selection = picker.chosen()
table = selection.rows("lift_table")
st.title("Lift by category", anchor=False)
picker.subject(selection)
one = table.filter(IS_OVERALL).row(0, named=True)
if one["verdict"] == "withheld":
    st.warning(
        "Verdicts are withheld: a health check failed, so the arms may not be comparable. "
        "See Health.",
        icon=":material/warning:",
    )
explore(table)
st.subheader("How to read this", anchor=False)
of_categories = table.filter(~IS_OVERALL)
by_category = of_categories["adjustment"][0] if of_categories.height else "no category to correct"
st.text(
    f"Two-sided tests at {one['alpha']:g}; intervals at {phrases.confidence(one)}, "
    "each for one row.\n"
    f"Interval and p: {one['ci_method']}.\n"
    f"Correction over categories: {by_category}. The overall row: {one['adjustment']}.\n"
    "Detectable: the smallest true lift that a test of this precision finds with 80 % power."
)
