"""Entry point of the pages: ``caig dashboard`` starts Streamlit on this file.

Its one argument is the folder of all runs.
"""

from pathlib import Path

import streamlit as st

from caig.errors import CaigError
from dashboards import picker
from dashboards.data import runs_root

HERE = Path(__file__).parent

# A local icon: a named one would be fetched from a font server.
st.set_page_config(
    page_title="CTR lift review",
    page_icon=str(HERE / "favicon.svg"),
    layout="wide",
    initial_sidebar_state=262,
)
# Streamlit's margins suit a column of prose; a table of ten columns needs the room.
st.html("<style>.stMainBlockContainer { padding-left: 2rem; padding-right: 2rem; }</style>")

page = st.navigation(
    {
        "Decide": [
            st.Page(
                "views/overview.py",
                title="Overview",
                icon=":material/flag:",
                url_path="overview",
                default=True,
                help="What the data allow one to say: verdict, health, overall lift, origin.",
            )
        ],
        "Experiment": [
            st.Page(
                "views/lift.py",
                title="Lift",
                icon=":material/align_horizontal_center:",
                url_path="lift",
                help="Lift by category with intervals; sort, filter, download.",
            ),
            st.Page(
                "views/health.py",
                title="Health",
                icon=":material/monitor_heart:",
                url_path="health",
                help="Whether the experiment is what its design says it is.",
            ),
        ],
    }
)

picker.choose(runs_root())
try:
    page.run()
except CaigError as error:
    picker.unusable(error)
