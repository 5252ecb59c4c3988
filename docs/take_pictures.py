"""Takes the pictures of README and docs from a fresh demo: ``make pictures``. Needs Chromium.

Pictures are made by the code they show, so they cannot promise what the code does not do.
"""

import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from caig import cli
from caig.runs.catalog import list_runs
from caig.runs.store import Run

IMAGES = Path(__file__).parent / "images"
PORT = 8599
PAGES = ("overview", "lift", "health")


def main() -> None:
    """Run the demo in a temporary folder and photograph its report and pages."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("no Chromium found: on Debian, apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        runs = Path(folder) / "runs"
        cli.run(["demo", "--runs", str(runs)])
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--disable-background-networking", "--disable-quic"],
        )
        _take_sheets(runs)
        _take_generated(runs)
        _take_aligned(browser, runs)
        _take_report(browser, runs)
        _take_pages(browser, runs)
        browser.close()


def _take_sheets(runs: Path) -> None:
    world = Run.open(list_runs(runs, verb="make-data")[-1].path)  # the demo's first stage
    for name in ("products", "scenes", "ads"):
        with Image.open(world.file(f"{name}_sheet")) as sheet:
            sheet.save(IMAGES / f"shop-{name}.webp", quality=82)


def _take_generated(runs: Path) -> None:
    generated = Run.open(list_runs(runs, verb="generate")[-1].path)  # before any alignment's
    with Image.open(generated.file("sheet")) as sheet:
        sheet.save(IMAGES / "generated.webp", quality=84)


def _take_aligned(browser: Browser, runs: Path) -> None:
    sheets = Run.open(list_runs(runs, verb="sheets")[0].path).file("sheets")
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.goto(sheets.as_uri())
    page.locator("h2").last.evaluate("heading => heading.scrollIntoView()")
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        page.screenshot(path=file.name)
        with Image.open(file.name) as picture:
            picture.convert("RGB").save(IMAGES / "aligned.webp", quality=82)
    page.close()


def _take_report(browser: Browser, runs: Path) -> None:
    lift = Run.open(list_runs(runs, verb="lift")[1].path)  # newest but one: before the faulty log
    page = browser.new_page(viewport={"width": 1000, "height": 1480})
    page.goto(lift.file("report_html").as_uri())
    page.screenshot(path=IMAGES / "report.png")
    page.close()


def _take_pages(browser: Browser, runs: Path) -> None:
    lift_runs = list_runs(runs, verb="lift")
    command = [sys.executable, "-m", "caig", "dashboard", str(runs), "--port", str(PORT)]
    server = subprocess.Popen([*command, "--no-open-browser"])
    try:
        _wait_for(f"http://127.0.0.1:{PORT}/_stcore/health")
        for theme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
            for name in PAGES:
                shown = lift_runs[0] if name == "health" else lift_runs[1]
                path = "" if name == "overview" else name  # the main page has no path
                page.goto(f"http://127.0.0.1:{PORT}/{path}?run={shown.run_id}")
                page.get_by_role("heading").first.wait_for(timeout=60_000)
                page.wait_for_timeout(4000)  # charts draw after the text
                page.screenshot(path=IMAGES / f"{name}-{theme}.png")
            page.close()
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(url: str) -> None:
    for _ in range(120):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"the dashboard did not answer at {url}")


if __name__ == "__main__":
    main()
