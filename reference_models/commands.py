"""``caig make-data``: write the shop world as a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from caig.runs.store import RunWriter
    from reference_models.shop.config import ShopConfig
    from reference_models.shop.creatives import Ad
    from reference_models.shop.products import ShopProduct


def make_data(
    *,
    world: Literal["shop"] = "shop",
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
    processes: int | None = None,
) -> None:
    """Draw the shop's ads and simulate one experiment of known truth.

    Artifacts: impression_log and traffic_truth of the experiment; products, creatives,
    creative_counts, captions, creative_truth, scene_suitability and label_ceiling of the ads;
    contact sheets of all products and scenes. With ads.per_product=0 there are the first two alone.

    Args:
        world: Which world to simulate.
        config: TOML file of the world; see docs/shop-world.md.
        set_: One value over the file's, as key=value, e.g. --set seed=7 --set faults.bot_units=20.
        runs: Folder of all runs.
        processes: Processes that draw the pictures; as many as there are processors by default.
    """
    from caig.config import load_config
    from caig.contracts.experiments import IMPRESSION_LOG, TRAFFIC_TRUTH
    from caig.runs.store import RunWriter
    from reference_models.shop.config import ShopConfig
    from reference_models.shop.creatives import earlier_ads, experiment_ads
    from reference_models.shop.products import shop_products
    from reference_models.shop.traffic import drawn_lifts, simulate_traffic

    assert world == "shop"
    settings = load_config(ShopConfig, config, set_)
    if settings.ads.per_product:
        _require_painter()
    products = shop_products(settings.ads.variants)
    arms = experiment_ads(products, drawn_lifts(settings).tolist(), seed=settings.seed)
    earlier = earlier_ads(products, settings.ads, seed=settings.seed)
    with RunWriter(runs, "make-data", settings, seed=settings.seed) as run:
        traffic = simulate_traffic(settings, arms)
        run.write_table(IMPRESSION_LOG, traffic.log)
        run.write_table(TRAFFIC_TRUTH, traffic.truth)
        run.add_metric("impressions", int(traffic.log["n_impressions"].sum()))
        run.add_metric("clicks", int(traffic.log["n_clicks"].sum()))
        if earlier:
            _write_ads(
                run,
                settings,
                products=products,
                earlier=earlier,
                in_experiment=[*arms[0], *arms[1]],
                processes=processes,
            )
    print(run.path)


def _write_ads(
    run: "RunWriter",
    settings: "ShopConfig",
    *,
    products: "Sequence[ShopProduct]",
    earlier: "list[Ad]",
    in_experiment: "list[Ad]",
    processes: int | None,
) -> None:
    from rich.progress import track

    from caig.contracts.creatives import CAPTIONS, CREATIVE_COUNTS, CREATIVES, PRODUCTS
    from caig.contracts.experiments import SUITE_RESULTS
    from caig.contracts.worlds import CREATIVE_TRUTH, SCENE_SUITABILITY
    from caig.generation.sheet import encode_png
    from reference_models.shop import sheets, world
    from reference_models.shop.ceiling import label_ceiling

    size = settings.ads.size
    ads = [*earlier, *in_experiment]
    drawing = world.draw_pictures(products, ads, run.path, size=size, processes=processes)
    drawn = list(track(drawing, "Drawing ads", total=len(products), transient=True))
    counts = world.counts_table(earlier, settings.ads, seed=settings.seed)
    truth = world.truth_table(ads)
    run.write_table(PRODUCTS, world.products_table(drawn))
    run.write_table(CREATIVES, world.creatives_table(drawn, size=size))
    run.write_table(CREATIVE_COUNTS, counts)
    run.write_table(CAPTIONS, world.captions_table(earlier))
    run.write_table(CREATIVE_TRUTH, truth)
    run.write_table(SCENE_SUITABILITY, world.suitability_table())
    run.write_table(
        SUITE_RESULTS,
        label_ceiling(counts.join(truth, on="creative_id")),
        "label_ceiling",
    )
    for name, sheet in (
        ("products_sheet", sheets.product_sheet()),
        ("scenes_sheet", sheets.scene_sheet()),
        ("ads_sheet", sheets.ad_sheet()),
    ):
        run.write_bytes(name, f"{name}.png", encode_png(sheet), "image/png")
    run.add_metric("products", len(products))
    run.add_metric("ads", len(ads))


def _require_painter() -> None:
    from caig.errors import PrerequisiteError

    try:
        import cv2  # noqa: F401
        import skia  # noqa: F401
    except ImportError:
        raise PrerequisiteError.from_extra("drawing ads", "images") from None
