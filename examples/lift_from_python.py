"""From a log to lifts, in Python: cells for editors that run them one by one.

``python examples/lift_from_python.py LOG`` analyses your log; without one, a week of simulated
traffic is written to a temporary folder and analysed.
"""

# %%
import sys
import tempfile
from pathlib import Path

import polars as pl

from abtest.api import analyse_log
from caig.cli import run

# %% A log: yours, or simulated traffic with known lifts.
folder = Path(tempfile.mkdtemp())
log = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "traffic"
if len(sys.argv) == 1:
    run(["make-data", "--set", "n_users=20000", "--set", "ads.per_product=0", "--runs", str(log)])

# %% Five lines from log to table.
(source,) = log.iterdir() if len(sys.argv) == 1 else (log,)
analysis = analyse_log(source, settings={"analysis.one_arm_categories": "report"})
table = analysis.result.lift_table
print(table.select("category", "rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper", "verdict"))
print(*analysis.sentences()[:6], sep="\n")

# %% Every table is a polars frame whose columns are described in docs/contracts.md.
for name, frame in analysis.result.tables().items():
    print(f"{name:28} {frame.height:6,} rows")

# %% The same run that `caig lift` writes: report, tables, checksums, lineage.
with pl.Config(tbl_rows=4):
    print(analysis.result.health.checks.select("check", "status", "detail"))
print(analysis.write_run(folder / "runs"))
