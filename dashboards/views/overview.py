"""Overview: the first screen of a review meeting. What do the data allow one to say?"""

import polars as pl
import streamlit as st

from caig import text
from caig.contracts.experiments import ALL_CATEGORIES
from dashboards import charts, components, frames, phrases, picker
from dashboards.data import Selection, overall_rows


def show(selection: Selection) -> None:
    """Draw the page."""
    lift = selection.rows("lift_table")
    health = selection.rows("health")
    daily = selection.rows("lift_daily").filter(pl.col("category") == ALL_CATEGORIES).sort("day")
    overall = lift.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    categories = lift.filter(pl.col("category") != ALL_CATEGORIES)

    st.title("Overview", anchor=False)
    picker.subject(selection)
    _banner(overall, categories, health)
    _figures(overall, categories, daily)
    _health(health)
    _by_day(daily)
    _arms(selection)
    if selection.n_experiments > 1:
        _all_experiments(selection)
    _origin(selection)


def _banner(overall: phrases.Row, categories: pl.DataFrame, health: pl.DataFrame) -> None:
    reasons = components.unhealthy_sentences(health)
    is_withheld = overall["verdict"] == "withheld"
    if reasons and not is_withheld:
        reasons.append(phrases.nevertheless(health))
    notes = [f"{phrases.tally_sentence(categories['verdict'])}."]
    if is_withheld:
        notes = ["Figures below are for finding the cause: the arms may not be comparable."]
    if overall["verdict"] == "flat":
        notes.insert(0, phrases.detectable(overall))
    components.banner(
        overall["verdict"], phrases.headline(overall), reasons, [note for note in notes if note]
    )


def _figures(overall: phrases.Row, categories: pl.DataFrame, daily: pl.DataFrame) -> None:
    level = phrases.confidence(overall)
    units = _sum(overall["n_units_control"], overall["n_units_treatment"])
    impressions = _sum(overall["impressions_control"], overall["impressions_treatment"])
    clicks = _sum(overall["clicks_control"], overall["clicks_treatment"])
    days = text.count(daily.height) if daily.height else text.UNKNOWN
    judged = phrases.tally(categories["verdict"])
    outcome = f"{judged.get('win', 0)} win, {judged.get('loss', 0)} lose"
    if "withheld" in judged:
        outcome = "withheld"
    cards = (
        ("Overall lift", text.lift(overall["rel_lift"]),
         text.interval(overall["rel_lift_ci_lower"], overall["rel_lift_ci_upper"])),
        ("p, two-sided", text.p_value(overall["p_value_adj"]), f"tested at {overall['alpha']:g}"),
        ("CTR control", text.ctr(overall["control_ctr"]), _ctr_interval(overall, "control")),
        ("CTR treatment", text.ctr(overall["treatment_ctr"]), _ctr_interval(overall, "treatment")),
        ("Units", text.count(units), "both arms" if units else "the log names none"),
        ("Impressions", text.count(impressions), f"{text.count(clicks)} clicks"),
        ("Days", days, _span(daily)),
        ("Categories", text.count(categories.height),
         outcome if categories.height else "the log names none"),
    )  # fmt: skip
    with st.grid(4, min_column_width=170):
        for label, value, below in cards:
            st.metric(
                label, value, below, delta_color="off", delta_arrow="off", border=True,
                height="stretch",
            )  # fmt: skip
    st.caption(f"Intervals at {level}. Units, impressions and clicks are those of the contrast.")


def _health(health: pl.DataFrame) -> None:
    st.subheader("Health", anchor=False)
    if health.is_empty():
        components.nothing_here("The run holds no health check of this experiment.")
        return
    components.health_strip(health)


def _by_day(daily: pl.DataFrame) -> None:
    st.subheader("Overall lift cumulated by day", anchor=False)
    if daily.filter(pl.col("rel_lift_ci_lower").is_not_null()).height < 2:
        components.nothing_here("No daily figures: the log names no day, or fewer than two.")
        return
    components.chart(charts.cumulated(daily), alt_text=phrases.daily_alt(daily), key="daily_chart")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Band: fixed-horizon interval, to be read once, at the planned end; stopping at the "
            "first good day errs far more often than stated. Dashed: valid at every look.",
            width="stretch",
        )
        components.csv_button(daily, name="lift_daily.csv", key="daily_csv")


def _arms(selection: Selection) -> None:
    st.subheader("Arms", anchor=False)
    arms = selection.rows("arm_summary")
    components.table(frames.arms_frame(arms), frames.ARM_FORMATS, alt_text="Traffic of every arm")


def _all_experiments(selection: Selection) -> None:
    overall = overall_rows(selection.run)
    st.subheader("All experiments of this run", anchor=False)
    words = text.plural(overall.height, "contrast")
    said = phrases.tally_words(overall["verdict"])
    st.caption(f"{words}: {said}. Overall rows; each was tested in its own experiment.")
    components.table(
        frames.experiments_frame(overall),
        frames.LIFT_FORMATS,
        alt_text="Overall lift of every experiment and contrast of the run",
    )
    components.csv_button(overall, name="lift_overall.csv", key="experiments_csv")


def _origin(selection: Selection) -> None:
    manifest = selection.run.manifest
    st.subheader("Where this comes from", anchor=False)
    code = manifest.code
    lines = [
        f"Run {manifest.run_id}, made {manifest.started_at:%Y-%m-%d %H:%M} UTC",
        f"Code version {code.version}"
        + (f", commit {code.git[:12]}" if code.git else "")
        + (" with uncommitted changes" if code.dirty else ""),
        *(f"From run {used.run_id} ({role})" for role, used in manifest.inputs.items()),
        *(
            f"From file {file.path} ({text.count(file.n_bytes)} bytes, sha256 {file.sha256[:16]})"
            for file in manifest.files
        ),
    ]
    st.text("\n".join(lines))
    with st.container(horizontal=True):
        for artifact, label, name, mime in (
            ("report_html", "Download report (HTML)", "report.html", "text/html"),
            ("report_md", "Download report (Markdown)", "report.md", "text/markdown"),
        ):
            path = selection.text_file(artifact)
            if path is not None:
                st.download_button(
                    label, path.read_bytes(), file_name=f"{manifest.run_id}-{name}", mime=mime,
                    key=artifact, on_click="ignore", icon=":material/download:",
                )  # fmt: skip


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _ctr_interval(row: phrases.Row, arm: str) -> str:
    lower, upper = row[f"{arm}_ctr_ci_lower"], row[f"{arm}_ctr_ci_upper"]
    return text.UNKNOWN if lower is None else f"{text.ctr(lower)} to {text.ctr(upper)}"


def _span(daily: pl.DataFrame) -> str:
    if daily.is_empty():
        return "the log names none"
    first, last = daily["day"][0], daily["day"][-1]
    return f"{first:%d %b} to {last:%d %b %Y}"


show(picker.chosen())
