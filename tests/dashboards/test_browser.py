"""The pages in a real browser: what they draw, what they fetch, and what a link restores."""

import contextlib
import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: pip install 'caig-toolkit[browser]'"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser on the path: {', '.join(BROWSERS)}"),
]

PAGES = (  # path, heading, beginning of a chart's description
    ("", "Overview", "Overall lift cumulated"),
    ("lift", "Lift by category", "Relative lift by category"),
    ("health", "Health", "Traffic of each arm"),
)
WAIT_MS = 15_000


@dataclass
class Visit:
    """A browser page and what went on in it.

    Attributes:
        page: The page.
        url: Where the server answers.
        outside: Requests to anywhere but 127.0.0.1.
        errors: Errors on the console.
    """

    page: Any
    url: str
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, path: str, heading: str) -> None:
        """Go to a path, wait for its heading and until the script has run to its end."""
        self.page.goto(f"{self.url}/{path}")
        self.page.get_by_role("heading", name=heading, level=1).wait_for()
        self.page.locator('.stApp[data-test-script-state="notRunning"]').wait_for()

    def chart(self, alt: str) -> Any:
        """The drawing of the chart whose description begins with ``alt``, once it is there."""
        found = self.page.locator(f'[data-testid="stVegaLiteChart"][aria-label^="{alt}"]')
        drawing = found.locator("> :is(svg, canvas)").first
        drawing.wait_for()
        return drawing


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, run_writer: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("served") / "runs"
    run_writer(root)
    run_writer(root, mismatch=True, started_at=datetime(2026, 3, 15, 9, tzinfo=UTC))
    run_writer(
        root,
        experiments=("<script>window.pwned=1</script>", "two"),
        treatments=("<img src=x onerror=window.pwned=1>", "plain"),
        categories=(
            "<img src=x onerror=window.pwned=1>",
            "![pixel](https://example.com/pixel.png)",
            "\u202egnp.exe \u0634\u0627\u062d\u0646",
            "N" * 300,
        ),
        started_at=datetime(2026, 3, 14, 9, tzinfo=UTC),
    )
    return root


@pytest.fixture(scope="module")
def url(runs: Path, served: Callable[[Path], AbstractContextManager[Any]]) -> Iterator[str]:
    with served(runs) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=["light"])
def visit(request: pytest.FixtureRequest, browser: Any, url: str) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=request.param
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    seen = Visit(page, url)

    def note_request(made: Any) -> None:
        parts = urlsplit(made.url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            seen.outside.append(made.url)

    def note_message(message: Any) -> None:
        # On a deep link Streamlit looks for its own base path first, one folder too deep.
        own_probe = urlsplit(message.location["url"]).path.endswith(
            ("/_stcore/host-config", "/_stcore/health")
        )
        if message.type == "error" and not own_probe:
            seen.errors.append(message.text)

    page.on("request", note_request)
    page.on("console", note_message)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    yield seen
    context.close()
    assert seen.outside == []
    assert seen.errors == []


def _run(runs: Path, day: str) -> str:
    return next(path.name for path in runs.iterdir() if path.name.startswith(day))


def test_overview_draws_verdict_and_chart(visit: Visit) -> None:
    visit.open("", "Overview")
    headline = visit.page.get_by_role("heading", level=2)
    assert headline.inner_text() == "▲ Treatment wins overall: +6.2 % [+5.2, +7.2] %"
    box = visit.chart("Overall lift cumulated over 14 days").bounding_box()
    assert box["width"] > 700
    assert visit.page.title() == "CTR lift review"


def test_forest_is_as_high_as_its_rows_and_survives_a_filter(visit: Visit) -> None:
    visit.open("lift", "Lift by category")
    forest = visit.chart("Relative lift by category")
    box = forest.bounding_box()
    assert 45 * 20 < box["height"] < 45 * 20 + 160
    assert box["x"] + box["width"] <= 1280, "nothing is cut off at the right"
    drawn = forest.locator("text").all_text_contents()
    assert {"Women's dresses", "Mattresses", "Overall", "+26.0 % [+22.4, +29.7] %"} <= set(drawn)
    visit.page.get_by_role("button", name="loss", exact=True).click()
    visit.page.get_by_text("Showing 4 of 44 categories").wait_for()
    fewer = "Relative lift by category with intervals. 4 categories: 4 lose"
    smaller = visit.chart(fewer).bounding_box()
    assert 5 * 20 < smaller["height"] < 5 * 20 + 160
    visit.page.wait_for_url(lambda url: "verdict=loss" in url)


def test_table_downloads_as_csv(visit: Visit, tmp_path: Path) -> None:
    visit.open("lift?search=phone", "Lift by category")
    visit.page.get_by_text("Showing 2 of 44 categories").wait_for()
    with visit.page.expect_download() as started:
        visit.page.get_by_role("button", name="Download CSV").click()
    assert started.value.suggested_filename == "lift_table.csv"
    started.value.save_as(tmp_path / "lift.csv")
    with (tmp_path / "lift.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["category"] for row in rows] == ["Phone cases", "Headphones", "__all__"]
    assert float(rows[0]["rel_lift"]) == pytest.approx(-0.1319, abs=1e-3)


def test_deep_link_restores_run_experiment_and_contrast(visit: Visit, runs: Path) -> None:
    run = _run(runs, "20260314")
    link = f"health?run={run}&experiment=two&contrast={quote('plain vs control')}"
    visit.open(link, "Health")
    visit.page.get_by_text("two  ·  plain vs control").wait_for()
    # Streamlit 1.67 forgets the parameters (not the choice) if a page is switched in the first
    # instant after a load, before its browser side has bound them; nothing on the page tells when.
    visit.page.wait_for_timeout(1500)
    visit.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Lift").click()
    visit.page.get_by_role("heading", name="Lift by category", level=1).wait_for()
    visit.page.get_by_text("two  ·  plain vs control").wait_for()
    visit.page.wait_for_url(lambda url: run in url and "experiment=two" in url)
    visit.page.reload()
    visit.page.get_by_text("two  ·  plain vs control").wait_for()


def test_mismatch_is_said_first(visit: Visit, runs: Path) -> None:
    visit.open(f"?run={_run(runs, '20260315')}", "Overview")
    headline = visit.page.get_by_role("heading", level=2)
    assert headline.inner_text() == "○ No verdict: the experiment is not healthy"
    assert visit.page.get_by_text("wins overall").count() == 0


@pytest.mark.parametrize(("path", "heading", "alt"), PAGES)
def test_hostile_names_do_nothing(
    visit: Visit, runs: Path, path: str, heading: str, alt: str
) -> None:
    visit.open(f"{path}?run={_run(runs, '20260314')}", heading)
    visit.page.get_by_text("<script>window.pwned=1</script>  ·  <img src=x").first.wait_for()
    drawing = visit.chart(alt)
    if path:  # the overview's chart names no category
        tooltip = visit.page.locator("#vg-tooltip-element")
        words = tooltip.get_by_text("<img src=x onerror=window.pwned=1>").first
        # Events, not the mouse: what lies over a point depends on the layout of the moment, and a
        # chart that is drawn again drops its tooltip.
        for _ in range(8):
            mark = drawing.locator('path[aria-label*="onerror"]').first
            for event in ("pointerover", "pointermove", "mouseover", "mousemove"):
                mark.dispatch_event(event, {"bubbles": True})
            with contextlib.suppress(playwright_api.TimeoutError):
                words.wait_for(timeout=2500)
                break
        assert words.is_visible()
    assert visit.page.evaluate("window.pwned") is None
    assert visit.page.locator('img[src="x"], img[src*="example.com"]').count() == 0
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("visit", ["light", "dark"], indirect=True)
def test_both_themes_render(visit: Visit, request: pytest.FixtureRequest) -> None:
    is_dark = request.node.callspec.params["visit"] == "dark"
    for path, heading, alt in PAGES:
        visit.open(path, heading)
        visit.chart(alt)
        background, ink = visit.page.evaluate(
            "['.stApp', 'h1'].map((s, i) => getComputedStyle(document.querySelector(s))"
            "[i ? 'color' : 'backgroundColor'])"
        )
        assert background == ("rgb(20, 23, 27)" if is_dark else "rgb(255, 255, 255)")
        assert ink == ("rgb(232, 234, 237)" if is_dark else "rgb(28, 31, 36)")
