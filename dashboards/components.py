"""Parts that several pages share: banner, health strip and cards, charts, tables, empty states.

Texts from the log pass through ``st.text`` here; headings and labels hold fixed words and figures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from caig import text
from dashboards import frames, phrases
from dashboards.charts import LayeredChart

TONES = {  # verdict: (edge of the banner, its tint)
    "win": ("#0072B2", "rgba(0, 114, 178, 0.10)"),
    "loss": ("#D55E00", "rgba(213, 94, 0, 0.10)"),
    "flat": ("#767676", "rgba(118, 118, 118, 0.12)"),
    "insufficient": ("#767676", "rgba(118, 118, 118, 0.12)"),
    "withheld": ("#E69F00", "rgba(230, 159, 0, 0.14)"),
}

HEALTH_ICONS = {  # status: (icon, whose outline differs from the others', colour name)
    "healthy": (":material/check_circle:", "blue"),
    "unhealthy": (":material/warning:", "red"),
    "not_enough_traffic": (":material/hourglass_empty:", "gray"),
    "not_applicable": (":material/remove:", "gray"),
}


def banner(verdict: str, headline: str, reasons: Sequence[str], notes: Sequence[str] = ()) -> None:
    """The sentence a meeting begins with.

    Args:
        verdict: Verdict of the overall row; it chooses the colour.
        headline: Fixed words and figures.
        reasons: Sentences that may hold texts from the log; they come first.
        notes: Further sentences of fixed words and figures.
    """
    edge, tint = TONES[verdict]
    # A key of its own per tone, so that a change of tone is a change of style and not of state.
    st.html(
        f"<style>.st-key-banner-{verdict} {{ border-left: 6px solid {edge}; background: {tint}; "
        "border-radius: 4px; padding: 0.9rem 1.2rem; } "
        f".st-key-banner-{verdict} h2 {{ padding: 0 0 0.5rem 0 !important; }}</style>"
    )
    with st.container(key=f"banner-{verdict}", gap="xsmall"):
        st.header(f"{phrases.MARKS[verdict]} {headline}", anchor=False)
        for reason in (*reasons, *notes):
            st.text(reason)


def unhealthy_sentences(health: pl.DataFrame) -> list[str]:
    """What is not healthy, and why; the detail is text from the log.

    Args:
        health: Rows of ``health/1``.
    """
    unhealthy = health.filter(pl.col("status") == "unhealthy")
    return [
        f"{text.CHECK_WORDS[check]} is unhealthy: {detail}."
        for check, detail in unhealthy.select("check", "detail").iter_rows()
    ]


def health_strip(health: pl.DataFrame) -> None:
    """All checks in one row, as badges with a word, an icon and a colour.

    Args:
        health: Rows of ``health/1``.
    """
    with st.container(horizontal=True, gap="small"):
        for check, status in health.select("check", "status").iter_rows():
            icon, colour = HEALTH_ICONS[status]
            words = f"{text.CHECK_WORDS[check]}: {text.HEALTH_WORDS[status]}"
            st.badge(words, icon=icon, color=colour)  # type: ignore[arg-type]


def health_card(row: Mapping[str, Any]) -> None:
    """One check: state, finding, figures, and likely causes where it failed.

    Args:
        row: Row of ``health/1``.
    """
    icon, colour = HEALTH_ICONS[row["status"]]
    with st.container(border=True, height="stretch", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(text.CHECK_WORDS[row["check"]], anchor=False, width="content")
            st.badge(text.HEALTH_WORDS[row["status"]], icon=icon, color=colour)  # type: ignore[arg-type]
        st.text(row["detail"])
        figures = health_figures(row)
        if figures:
            st.caption(figures)
        if row["status"] == "unhealthy":
            causes = "\n".join(f"- {cause}" for cause in phrases.LIKELY_CAUSES[row["check"]])
            st.markdown(f"**Likely causes**\n{causes}")


def health_figures(row: Mapping[str, Any]) -> str:
    """Statistic, p-value and threshold of a check, as far as it has them.

    Args:
        row: Row of ``health/1``.
    """
    has_p_value = row["check"] in phrases.STATISTIC_WORDS
    parts = []
    if row["statistic"] is not None:
        name = phrases.STATISTIC_WORDS.get(row["check"], "Found")
        parts.append(f"{name} {row['statistic']:,.4g}")
    if row["p_value"] is not None:
        parts.append(f"p {text.p_value(row['p_value'])}")
    if row["threshold"] is not None:
        side = "unhealthy below p" if has_p_value else "unhealthy above"
        parts.append(f"{side} {row['threshold']:g}")
    return " · ".join(parts)


def chart(specification: LayeredChart, *, alt_text: str, key: str) -> None:
    """A chart with its description in words.

    Args:
        specification: The chart.
        alt_text: What it shows, as a sentence.
        key: Key of the element.
    """
    st.altair_chart(specification, alt=alt_text, key=key, width="stretch")


WIDTHS = {  # column: width (pixels); others fit their content
    "Category": 130,
    "Experiment": 170,
    "Contrast": 140,
    "Arm": 150,
    "Verdict": 165,
    "Interval": 115,
    "CTR interval": 140,
}
RIGHT_ALIGNED = ("Interval", "CTR interval")


def table(
    frame: pl.DataFrame,
    formats: Mapping[str, frames.Format],
    *,
    alt_text: str,
    max_rows: int = 12,
) -> None:
    """A table as high as its rows, up to a limit.

    Args:
        frame: What to show.
        formats: How to write its numbers.
        alt_text: What it shows.
        max_rows: Rows (count) beyond which it scrolls.
    """
    row, head = 30, 34
    st.dataframe(
        frames.displayed(frame, formats),
        hide_index=True,
        height=head + row * max(1, min(frame.height, max_rows)) + 3,
        row_height=row,
        placeholder=text.UNKNOWN,
        alt=alt_text,
        column_config={
            name: st.column_config.Column(
                width=WIDTHS.get(name),
                alignment="right" if name in formats or name in RIGHT_ALIGNED else None,
            )
            for name in frame.columns
        },
    )


def csv_button(frame: pl.DataFrame, *, name: str, key: str, label: str = "Download CSV") -> None:
    """A download of a frame.

    Args:
        frame: Rows of a contract, or a part of them.
        name: File name; fixed words, not a text from the log.
        key: Key of the element.
        label: Words on the button.
    """
    st.download_button(
        label,
        frames.as_csv(frame),
        file_name=name,
        mime="text/csv",
        key=key,
        on_click="ignore",
        icon=":material/download:",
    )


def nothing_here(words: str, command: str = "") -> None:
    """An empty state: what is not there, and what would make it.

    Args:
        words: Fixed words.
        command: Command to type.
    """
    st.info(words, icon=":material/info:")
    if command:
        st.code(command, language="bash")
