"""Health: is the experiment what its design says it is?"""

import polars as pl
import streamlit as st

from caig import text
from dashboards import charts, components, frames, phrases, picker

selection = picker.chosen()
health = selection.rows("health")
ratios = selection.rows("sample_ratio")

st.title("Health", anchor=False)
picker.subject(selection)

unhealthy = health.filter(pl.col("status") == "unhealthy").height
if health.is_empty():
    components.nothing_here("The run holds no health check of this experiment.")
elif unhealthy:
    st.warning(
        f"{text.plural(unhealthy, 'check')} of {health.height} unhealthy. Find the cause before "
        "reading any lift.",
        icon=":material/warning:",
    )
else:
    st.info(
        f"No check of {health.height} is unhealthy.",
        icon=":material/check_circle:",
    )

with st.grid(2, min_column_width=380):
    for check in health.iter_rows(named=True):
        components.health_card(check)

st.subheader("Sample ratio", anchor=False)
if ratios.is_empty():
    components.nothing_here("The run holds no sample ratio of this experiment.")
else:
    counted = " and ".join(ratios["counted"].unique(maintain_order=True))
    st.caption(f"Counted: {counted}. Zero is the declared split.")
    components.chart(
        charts.sample_ratio(ratios), alt_text=phrases.ratio_alt(ratios), key="ratio_chart"
    )
    components.table(
        frames.ratio_frame(ratios),
        frames.RATIO_FORMATS,
        alt_text="Observed and expected traffic by arm and category",
        max_rows=20,
    )
    components.csv_button(ratios, name="sample_ratio.csv", key="ratio_csv")
