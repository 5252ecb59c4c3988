"""``caig experiment``: prompts to ads, ads to a week of clicks, clicks to the published table."""

import polars as pl
import pytest

from caig import cli, text
from caig.contracts.creatives import PRODUCTS
from caig.contracts.experiments import ALL_CATEGORIES, IMPRESSION_LOG
from caig.contracts.online import ONLINE_TRUTH
from caig.runs.catalog import list_runs
from caig.runs.images import altered_images
from caig.runs.store import Run, RunWriter
from reference_models.experiment_table import online_table
from reference_models.shop.online import OnlineConfig
from reference_models.shop.products import shop_products
from reference_models.shop.world import draw_pictures, products_table

SHOWN = ("Sneakers", "Perfume", "Mugs", "Honey", "Tents", "Sofas")
PROMPTS = {
    "base": ("lavender field, pastel colours, with sparkles", "christmas room, daylight, pastel"),
    "good": ("beach, night, cool colours, blurred background", "beach, golden hour, blurred"),
    "lost": ("nice nice", "very nice"),
}
USERS = ("--set", "n_users=6000")


def new_run(runs, verb, *words) -> Run:
    before = {entry.run_id for entry in list_runs(runs, verb=verb)}
    assert cli.run([verb, *words, "--runs", str(runs)]) == 0
    (made,) = [e for e in list_runs(runs, verb=verb) if e.run_id not in before]
    return Run.open(made.path)


def small_shop(runs) -> Run:
    """A run with two products of each category shown, and of one that is not."""
    products = [p for p in shop_products() if p.category.name in (*SHOWN, "Hats")]
    products = [p for p in products if p.drawing_id[-1] in "12"]
    with RunWriter(runs, "make-data", OnlineConfig()) as run:
        drawn = list(draw_pictures(products, [], run.path, size=32, processes=1))
        run.write_table(PRODUCTS, products_table(drawn))
    return Run.open(run.path)


def three_arms(runs, shop) -> dict[str, Run]:
    """A run of ``caig generate`` for each set of prompts; one of them lacks a product."""
    products = shop.table("products").filter(pl.col("category").is_in(SHOWN))["product_id"]
    arms = {}
    for name, prompts in PROMPTS.items():
        rows = [(p, prompt) for p in products for prompt in prompts]
        if name == "good":
            rows = [row for row in rows if row[0] != "honey-2"]
        file = runs / f"{name}.csv"
        pl.DataFrame(rows, schema=["product_id", "prompt"], orient="row").write_csv(file)
        words = (str(shop.path), "--prompts", str(file), "--generator", "procedural")
        arms[name] = new_run(runs, "generate", *words, "--set", "size=32")
    return arms


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The runs folder, the shop's run, and the arms'."""
    runs = tmp_path_factory.mktemp("runs")
    shop = small_shop(runs)
    return runs, shop, three_arms(runs, shop)


def arm_words(arms, *names):
    return [word for name in names for word in ("--arm", f"{name}={arms[name].path}")]


@pytest.fixture(scope="module")
def week(world):
    runs, shop, arms = world
    words = [*arm_words(arms, "base", "good", "lost"), *USERS]
    return new_run(runs, "experiment", str(shop.path), *words)


def made_from(runs, verb, role, run):
    found = [Run.open(entry.path) for entry in list_runs(runs, verb=verb)]
    (one,) = [f for f in found if f.manifest.inputs.get(role) == run.as_input()]
    return one


def test_the_run_holds_what_was_shown_and_its_truth(world, week):
    _, shop, arms = world
    assert week.problems() == []
    assert altered_images(week.path) == []
    log, ads, truth, creatives = (
        week.table(name) for name in ("impression_log", "online_ads", "online_truth", "creatives")
    )
    assert set(log["arm"]) == {"base", "good", "lost"}
    assert set(log["category"]) == set(SHOWN)
    assert set(log["creative_id"]) <= set(ads["creative_id"])
    assert set(ads["creative_id"]) == set(creatives["creative_id"])
    assert all((week.path / path).is_file() for path in creatives["image_path"])
    assert truth.height == 3 * (len(SHOWN) + 1)
    bare = dict(truth.filter(category=ALL_CATEGORIES).select("arm", "bare_share").iter_rows())
    assert bare == {"base": 0.0, "good": 0.0, "lost": 1.0}
    inputs = {role: used.run_id for role, used in week.manifest.inputs.items()}
    assert inputs == {
        "products": shop.run_id,
        **{f"arm {name}": run.run_id for name, run in arms.items()},
    }
    # honey-2 has no ad in one arm, the two hats have none in any.
    assert set(log.filter(category="Honey")["product_id"]) == {"honey-1"}
    assert week.manifest.metrics["products_shown"] == 2 * len(SHOWN) - 1
    assert week.manifest.metrics["products_left_out"] == 3


def test_the_table_shows_estimates_beside_the_truth(world, week):
    runs, _, _ = world
    analysis = made_from(runs, "lift", "impression_log", week)
    table = made_from(runs, "experiment-table", "experiment", week)
    assert table.manifest.inputs["lift"] == analysis.as_input()
    written = table.file("table").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in written.splitlines()
        if line.startswith("|")
    ]
    top = analysis.table("top_categories").filter(contrast="good vs base").sort("rank")
    names = ["All categories", *top["category"][1:]]
    assert [row[0] for row in rows[2:8]] == names
    planted = dict(
        week.table("online_truth").filter(arm="good").select("category", "rel_lift").iter_rows()
    )
    for row, cell in zip(rows[2:8], top.iter_rows(named=True), strict=True):
        assert row[1:6] == [
            text.percent(cell["traffic_share"]),
            text.lift(cell["rel_lift"]),
            text.interval(cell["rel_lift_ci_lower"], cell["rel_lift_ci_upper"]),
            text.p_value(cell["p_value_adj"]),
            text.lift(planted[cell["category"]]),
        ]
    assert planted[ALL_CATEGORIES] > 0.5
    assert table.manifest.metrics["true_lift good"] == planted[ALL_CATEGORIES]
    assert table.manifest.metrics["rel_lift good"] == top["rel_lift"][0]
    assert "11 products (3 products left out: not in every arm)" in written
    assert "for its estimate (the winner's curse)" in written
    selected = analysis.table("selected_lifts").filter(pl.col("category").is_in(names))
    assert selected.height > 0
    found = {(row[0], row[1]): row[3] for row in rows[10:] if row[1] in PROMPTS}
    assert found == {
        (row["category"], row["contrast"].split()[0]): text.lift(row["rel_lift_corrected"])
        for row in selected.iter_rows(named=True)
    }
    intervals = "category intervals hold the planted lift (promised: 95%)"
    assert f"of {2 * len(SHOWN)} {intervals}" in written


def test_what_is_said(world, capsys):
    runs, shop, arms = world
    capsys.readouterr()
    words = [*arm_words(arms, "base", "lost"), *USERS, "--no-lift", "--runs", str(runs)]
    n_analyses = len(list_runs(runs, verb="lift"))
    assert cli.run(["experiment", shop.run_id, *words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "12 products of 6 categories shown; ads by arm: base 24, lost 24"
    assert said[1] == "2 products left out, as some arm has no ad of them: hats-1, hats-2"
    assert said[2] == "lost: 24 ads of prompts without a scene show a bare backdrop"
    run = Run.open(runs / said[-1].rpartition("/")[2])
    assert run.manifest.verb == "experiment"
    assert len(list_runs(runs, verb="lift")) == n_analyses


def test_the_log_is_any_log_to_lift(world, week):
    runs, _, _ = world
    again = new_run(runs / "again", "lift", str(week.path), "--set", "design.control=base")
    first = made_from(runs, "lift", "impression_log", week)
    assert again.table("lift_table").equals(first.table("lift_table"))


def test_one_run_in_two_arms_has_no_true_lift(world):
    runs, shop, arms = world
    words = ("--arm", f"a={arms['good'].path}", "--arm", f"b={arms['good'].path}", *USERS)
    run = new_run(runs / "aa", "experiment", str(shop.path), *words)
    truth, log = run.table("online_truth"), run.table("impression_log")
    assert truth["rel_lift"].to_list() == [0.0] * 2 * (len(SHOWN) + 1)
    assert log["creative_id"].str.split("/").list.first().equals(log["arm"])
    assert log.group_by("creative_id").agg(pl.col("arm").n_unique())["arm"].max() == 1
    written = made_from(runs / "aa", "experiment-table", "experiment", run).file("table")
    assert "None of these categories is called significant" in written.read_text(encoding="utf-8")


def test_an_unhealthy_week_has_no_verdict(world, week):
    runs, _, _ = world
    lost = pl.col("unit_id").str.slice(-1).is_in(["1", "2", "3"]) & (pl.col("arm") == "good")
    with RunWriter(runs / "sick", "experiment", OnlineConfig()) as run:
        run.write_table(IMPRESSION_LOG, week.table("impression_log").filter(~lost))
        run.write_table(ONLINE_TRUTH, week.table("online_truth"))
        run.add_metric("products_left_out", 0)
    sick = Run.open(run.path)
    words = ("--set", "design.control=base")
    analysis = new_run(runs / "sick", "lift", str(sick.path), *words)
    written = online_table(sick, analysis)
    assert "Verdicts are withheld, as the experiment is not healthy. Sample ratio: " in written
    assert "winner's curse" not in written
    assert "point the right way" not in written
    (good,) = [line for line in written.splitlines() if line.startswith("| good ")]
    assert [cell.strip() for cell in good.split("|")][6:8] == [text.UNKNOWN] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a=GOOD"], "1 arm(s): a comparison needs two or more, control first"),
        ([], "0 arm(s)"),
        (["a=GOOD", "a=BASE"], "there is an arm 'a' already"),
        (["a=GOOD", "b vs a=BASE"], "write NAME=RUN"),
        (["a=GOOD", "=BASE"], "write NAME=RUN"),
        (["a=GOOD", "b"], "write NAME=RUN"),
        (["a=GOOD", "b=nowhere"], "0 runs fit 'nowhere'"),
        (["a=GOOD", "b=SHOP"], "arm 'b': "),
    ],
)
def test_arms_that_cannot_be_are_refused(world, tmp_path, capsys, words, message):
    runs, shop, arms = world
    n_runs = len(list_runs(runs))
    for name, run in (("GOOD", arms["good"]), ("BASE", arms["base"]), ("SHOP", shop)):
        words = [word.replace(name, str(run.path)) for word in words]
    given = [part for word in words for part in ("--arm", word)]
    assert cli.run(["experiment", str(shop.path), *given, "--runs", str(runs)]) == 2
    assert message in capsys.readouterr().err
    assert len(list_runs(runs)) == n_runs


def test_data_without_products_are_refused(world, capsys):
    runs, _, arms = world
    data = str(arms["base"].path)
    words = arm_words(arms, "base", "good")
    assert cli.run(["experiment", data, *words, "--runs", str(runs)]) == 2
    assert "holds no products; name a run of caig make-data" in capsys.readouterr().err


@pytest.mark.slow
def test_from_the_command_line_alone(tmp_path):
    small = ("--set", "ads.per_product=1", "--set", "ads.size=32", "--set", "n_users=100")
    shop = new_run(tmp_path, "make-data", *small, "--processes", "1")
    arms = three_arms(tmp_path, shop)
    week = new_run(tmp_path, "experiment", shop.run_id[-4:], *arm_words(arms, "base", "good"))
    assert week.problems() == []
    written = made_from(tmp_path, "experiment-table", "experiment", week).file("table")
    assert "| All categories |" in written.read_text(encoding="utf-8")
    (lift,) = (
        made_from(tmp_path, "lift", "impression_log", week)
        .table("lift_table")
        .filter(category=ALL_CATEGORIES)
        .to_dicts()
    )
    (planted,) = week.table("online_truth").filter(arm="good", category=ALL_CATEGORIES)["rel_lift"]
    assert lift["verdict"] == "win"
    assert lift["rel_lift_ci_lower"] <= planted <= lift["rel_lift_ci_upper"]
