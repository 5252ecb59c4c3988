"""Run folders for the dashboards' tests, made as ``caig lift`` makes them but from made-up counts.

The figures are realistic (44 categories, two weeks, lifts of a few percent) and fixed, so that
tests can name the values they expect.
"""

import math
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from caig.config import Config
from caig.contracts.experiments import (
    ALL_CATEGORIES,
    ARM_SUMMARY,
    HEALTH,
    LIFT_DAILY,
    LIFT_TABLE,
    SAMPLE_RATIO,
)
from caig.contracts.records import FileInput
from caig.runs.store import RunWriter

CATEGORIES = (
    "Women's dresses", "Sneakers", "Skin care", "Phone cases", "Home storage", "Kitchen tools",
    "Men's shirts", "Snacks", "Toys", "Headphones", "Bedding", "Lamps", "Handbags", "Sunglasses",
    "Yoga", "Camping", "Fishing", "Cycling", "Pet food", "Pet toys", "Baby care", "Prams",
    "Stationery", "Printers", "Keyboards", "Monitors", "Cameras", "Watches", "Jewellery",
    "Perfume", "Make-up", "Hair care", "Vitamins", "Tea", "Coffee", "Wine", "Garden",
    "Power tools", "Car parts", "Curtains", "Rugs", "Mattresses",
    "Party supplies and seasonal decoration", "Musical instruments",
)  # fmt: skip

Z = 1.959964
LAST_DAY = date(2026, 3, 14)
DAYS = 14

HOSTILE = (
    "<script>window.pwned=1</script>",
    "![pixel](https://example.com/pixel.png) [link](javascript:window.pwned=1)",
    "<img src=x onerror=window.pwned=1>",
    "\u202egnp.exe \u0634\u0627\u062d\u0646 \u05e9\u05dc\u05d5\u05dd",
    "N" * 300,
    '=HYPERLINK("https://example.com")',
    "Overall",
    ":red[alarm] $x^2$ `code` **bold** |pipe|\nsecond line",
)


class FixtureConfig(Config):
    """Configuration of a made-up run."""

    note: str = "fixture"
    """Nothing depends on it."""


def _cell(n_control: int, n_treatment: int, ctr: float, lift: float) -> dict[str, Any]:
    clicks_control = round(n_control * ctr)
    clicks_treatment = round(n_treatment * ctr * (1 + lift))
    rates = clicks_control / n_control, clicks_treatment / n_treatment
    counts = {
        "n_units_control": n_control // 9,
        "n_units_treatment": n_treatment // 9,
        "impressions_control": n_control,
        "impressions_treatment": n_treatment,
        "clicks_control": clicks_control,
        "clicks_treatment": clicks_treatment,
    }
    if min(clicks_control, clicks_treatment) < 5:
        return counts | {"status": "too_small", "control_ctr": rates[0], "treatment_ctr": rates[1]}
    rel = rates[1] / rates[0] - 1
    error = math.sqrt(1.3 * (1 / clicks_control + 1 / clicks_treatment))
    estimate = counts | {"status": "ok", "design_effect": 1.3, "rel_lift": rel}
    estimate["rel_lift_ci_lower"] = (1 + rel) * math.exp(-Z * error) - 1
    estimate["rel_lift_ci_upper"] = (1 + rel) * math.exp(Z * error) - 1
    estimate["rel_lift_mde"] = math.exp(2.8 * error) - 1
    estimate["p_value"] = math.erfc(abs(math.log1p(rel)) / error / math.sqrt(2))
    for name, rate, n in (("control", rates[0], n_control), ("treatment", rates[1], n_treatment)):
        half = Z * math.sqrt(1.3 * rate * (1 - rate) / n)
        estimate[f"{name}_ctr"] = rate
        estimate[f"{name}_ctr_ci_lower"] = max(0.0, rate - half)
        estimate[f"{name}_ctr_ci_upper"] = rate + half
    estimate["abs_lift"] = rates[1] - rates[0]
    return estimate


def _cells(categories: Sequence[str], scale: float) -> list[dict[str, Any]]:
    rows = []
    for index, category in enumerate(categories):
        n = int(scale * 700_000 / (1 + 0.45 * index)) + 120
        if index == len(categories) - 1 and len(categories) > 10:
            n = 150
        lift = 0.05 + 0.22 * math.sin(1.7 * index) / (1 + 0.04 * index)
        rows.append(_cell(n, n + (37 * index) % 61, 0.021 + 0.0007 * (index % 7), lift)
                    | {"category": category})  # fmt: skip
    return rows


def _overall(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key.startswith(
        ("impressions_", "clicks_"))}  # fmt: skip
    ctr = total["clicks_control"] / total["impressions_control"]
    lift = total["clicks_treatment"] / total["impressions_treatment"] / ctr - 1
    cell = _cell(total["impressions_control"], total["impressions_treatment"], ctr, lift)
    return cell | {"category": ALL_CATEGORIES}


def _judged(rows: list[dict[str, Any]], *, withheld: bool) -> list[dict[str, Any]]:
    tested = sorted(row["p_value"] for row in rows if "p_value" in row)
    for row in rows:
        p = row.get("p_value")
        # Bonferroni over the ranks above: close enough to Benjamini-Hochberg for a picture.
        adjusted = None if p is None else min(1.0, p * len(tested) / (1 + tested.index(p)))
        row["p_value_adj"] = adjusted if adjusted is None else max(p, adjusted)
        row["verdict"] = (
            "withheld" if withheld
            else "insufficient" if adjusted is None
            else "flat" if adjusted >= 0.05
            else "win" if row["rel_lift"] > 0 else "loss"
        )  # fmt: skip
    return rows


def _table(rows: Sequence[dict[str, Any]], contract: Any) -> pl.DataFrame:
    names = contract.schema.names()
    return pl.DataFrame([{n: row.get(n) for n in names} for row in rows], schema=contract.schema)


def lift_rows(
    experiment: str = "banner-test",
    *,
    categories: Sequence[str] = CATEGORIES,
    treatment: str = "generated",
    control: str = "control",
    withheld: bool = False,
    scale: float = 1.0,
) -> list[dict[str, Any]]:
    """Rows of ``lift_table/1`` of one contrast."""
    cells = _cells(categories, scale)
    shared = {
        "experiment_id": experiment,
        "contrast": f"{treatment} vs {control}",
        "alpha": 0.05,
        "ci_method": "delta method on log CTR, clustered by unit",
    }
    rows = _judged(cells, withheld=withheld)
    for row in rows:
        row["adjustment"] = f"Benjamini-Hochberg over {len(categories)} tests"
    overall = _judged([_overall(cells)], withheld=withheld)
    overall[0]["adjustment"] = "none (1 test)"
    return [row | shared for row in [*rows, *overall]]


def _daily_rows(overall: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for day in range(1, DAYS + 1):
        part = day / DAYS
        n = [int(overall[f"impressions_{arm}"] * part) for arm in ("control", "treatment")]
        drift = 0.04 * (1 - part) * math.cos(day)
        cell = _cell(*n, overall["control_ctr"], overall["rel_lift"] + drift)
        rows.append(
            {key: cell.get(key) for key in ("status", "rel_lift", "rel_lift_ci_lower",
                                            "rel_lift_ci_upper")}
            | {f"cum_{key}": cell[key] for key in cell if key.startswith(("impr", "clicks"))}
            | {key: overall[key] for key in ("experiment_id", "category", "contrast")}
            | {"day": LAST_DAY - timedelta(days=DAYS - day)}
        )  # fmt: skip
    return rows


def _ratio_rows(
    rows: Sequence[dict[str, Any]], treatment: str, *, mismatch: bool
) -> list[dict[str, Any]]:
    out = []
    for index, row in enumerate(rows):
        units = row["n_units_control"], row["n_units_treatment"]
        expected = sum(units) / 2
        is_off = mismatch and (index % 9 == 0 or row["category"] == ALL_CATEGORIES)
        noise = math.sqrt(units[1]) * math.sin(2.3 * index)
        observed = (units[0], round(units[1] * 0.9 if is_off else units[1] + noise))
        expected = sum(observed) / 2
        status = "unhealthy" if is_off else "healthy" if expected >= 30 else "not_enough_traffic"
        p = None if status == "not_enough_traffic" else 2e-9 if is_off else 0.42
        for arm, count in zip(("control", treatment), observed, strict=True):
            out.append(
                {"experiment_id": row["experiment_id"], "category": row["category"], "arm": arm,
                 "counted": "units", "observed": count, "expected": expected, "p_value": p,
                 "p_value_adj": p, "status": status}
            )  # fmt: skip
    return out


def _health_rows(experiment: str, worst: str, *, mismatch: bool) -> list[dict[str, Any]]:
    status = "unhealthy" if mismatch else "healthy"
    counts = ("61,204", "55,021", "58,112") if mismatch else ("58,204", "58,221", "58,212")
    detail = (
        f"units by arm: control: {counts[0]} of {counts[2]} expected, "
        f"generated: {counts[1]} of {counts[2]} expected"
    )
    by_category = (
        f"{5 if mismatch else 0} of 43 categories are off the declared split; worst: {worst}"
    )
    named = (
        ("sample_ratio", status, 328.9 if mismatch else 0.01, 2e-73 if mismatch else 0.96, 0.001,
         detail),
        ("sample_ratio_by_category", status, 41.2 if mismatch else 2.1, 2e-9 if mismatch else 0.42,
         0.001, by_category),
        ("units_in_two_arms", "healthy", 0.0004, None, 0.01,
         "47 of 116,425 units were seen in two arms"),
        ("missing_days", "not_applicable", None, None, None, "the log names no day"),
    )  # fmt: skip
    keys = ("check", "status", "statistic", "p_value", "threshold", "detail")
    return [dict(zip(keys, row, strict=True)) | {"experiment_id": experiment} for row in named]


def _arm_rows(
    experiment: str, overall: dict[str, Any], arms: tuple[str, str]
) -> list[dict[str, Any]]:
    return [
        {"experiment_id": experiment, "arm": arm, "is_control": side == "control",
         "n_units": overall[f"n_units_{side}"], "n_impressions": overall[f"impressions_{side}"],
         "n_clicks": overall[f"clicks_{side}"], "ctr": overall[f"{side}_ctr"],
         "ctr_ci_lower": overall[f"{side}_ctr_ci_lower"],
         "ctr_ci_upper": overall[f"{side}_ctr_ci_upper"], "ci_method": "delta method",
         "n_creatives": 880, "n_products": 440, "first_day": LAST_DAY - timedelta(days=DAYS - 1),
         "last_day": LAST_DAY}
        for side, arm in zip(("control", "treatment"), arms, strict=True)
    ]  # fmt: skip


def write_run(
    root: Path,
    *,
    experiments: Sequence[str] = ("banner-test",),
    treatments: Sequence[str] = ("generated",),
    categories: Sequence[str] = CATEGORIES,
    mismatch: bool = False,
    started_at: datetime = datetime(2026, 3, 16, 9, 30, tzinfo=UTC),
    report: str = "<!doctype html><title>report</title>",
) -> Path:
    """Write one complete lift run; every experiment has one contrast per treatment."""
    lift: list[dict[str, Any]] = []
    daily: list[dict[str, Any]] = []
    ratios: list[dict[str, Any]] = []
    health: list[dict[str, Any]] = []
    arms: list[dict[str, Any]] = []
    for number, experiment in enumerate(experiments):
        for treatment in treatments:
            rows = lift_rows(experiment, categories=categories, treatment=treatment,
                             withheld=mismatch, scale=1 / (1 + number))  # fmt: skip
            lift += rows
            daily += _daily_rows(rows[-1])
        ratios += _ratio_rows(rows, treatments[0], mismatch=mismatch)
        health += _health_rows(experiment, categories[0], mismatch=mismatch)
        arms += _arm_rows(experiment, rows[-1], ("control", treatments[0]))
    log = FileInput(path="logs/impressions.parquet", sha256="ab" * 32, n_bytes=48_211_904)
    with RunWriter(root, "lift", FixtureConfig(), files=(log,), started_at=started_at) as run:
        for contract, rows in (
            (LIFT_TABLE, lift), (LIFT_DAILY, daily), (SAMPLE_RATIO, ratios), (HEALTH, health),
            (ARM_SUMMARY, arms),
        ):  # fmt: skip
            run.write_table(contract, _table(rows, contract))
        run.write_text("report_html", "report.html", report, "text/html")
        run.write_text("report_md", "report.md", "# Report\n", "text/markdown")
    return run.path


def write_corrupt(root: Path, name: str = "20260315T080000-lift-dead") -> Path:
    """A run folder whose manifest is no manifest."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{not json", encoding="utf-8")
    return folder


def write_failed(root: Path) -> Path:
    """A run that raised before it was complete."""
    with pytest.raises(RuntimeError), RunWriter(root, "lift", FixtureConfig()) as run:
        raise RuntimeError("disk full")
    return run.path


@pytest.fixture(scope="session")
def run_writer() -> Callable[..., Path]:
    """:func:`write_run` itself, for fixtures that outlive a test."""
    return write_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run under ``tmp_path / "runs"``; see :func:`write_run`."""

    def make(**options: Any) -> Path:
        return write_run(tmp_path / "runs", **options)

    return make


@pytest.fixture
def make_rows() -> Callable[..., pl.DataFrame]:
    """Rows of ``lift_table/1`` of one contrast; see :func:`lift_rows`."""

    def make(**options: Any) -> pl.DataFrame:
        return _table(lift_rows(**options), LIFT_TABLE)

    return make


@pytest.fixture
def make_broken() -> dict[str, Callable[[Path], Path]]:
    """How to spoil a runs folder."""
    return {"corrupt": write_corrupt, "failed": write_failed}


@pytest.fixture
def hostile() -> tuple[str, ...]:
    """Names that would do harm where text is taken for code."""
    return HOSTILE


@dataclass(frozen=True)
class Server:
    """A running ``caig dashboard``.

    Attributes:
        url: Where it answers, without a slash at the end.
        process: Its process.
    """

    url: str
    process: subprocess.Popen[str]


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Start ``caig dashboard`` on ``root``, wait until it answers, and end it.

    Args:
        root: Folder of all runs.
    """
    port = free_port()
    command = [sys.executable, "-m", "caig", "dashboard", str(root), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--no-open-browser"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait_until_healthy(server: Server) -> None:
    for _ in range(120):
        if server.process.poll() is not None:
            pytest.fail(f"the server ended: {server.process.communicate()[0]}")
        with suppress(OSError), urllib.request.urlopen(f"{server.url}/_stcore/health") as answer:
            if answer.read() == b"ok":
                return
        time.sleep(0.25)
    pytest.fail("the server did not answer within 30 s")


@pytest.fixture(scope="session")
def served() -> Callable[[Path], AbstractContextManager[Server]]:
    """Serve a runs folder as a user does; see :func:`serving`."""
    return serving
