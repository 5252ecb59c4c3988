"""How fast the shop world is drawn: ads a second, and where the time goes.

    python benchmarks/shop_world.py --products 88 --per-product 6

The figure to hold is ads a second over all processes at 128 px, cut-outs and files included; the
shares say what an ad costs one core.
"""

import argparse
import tempfile
import time
from pathlib import Path

from caig.generation.sheet import encode_png
from reference_models.shop.ads import draw_ad
from reference_models.shop.creatives import AdsConfig, earlier_ads
from reference_models.shop.drawings import draw_cutout
from reference_models.shop.products import shop_products
from reference_models.shop.scenes.render import render_background
from reference_models.shop.world import CUTOUT_SIZE, draw_pictures


def main() -> None:
    """Print the table."""
    options = _options()
    products = shop_products()[: options.products]
    config = AdsConfig(per_product=options.per_product, size=options.size)
    ads = earlier_ads(products, config, seed=1)

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        list(draw_pictures(products, ads, Path(folder), size=options.size, processes=2))
        elapsed = time.perf_counter() - began
    print(f"{len(ads)} ads of {len(products)} products at {options.size} px, two processes")
    print(f"{len(ads) / elapsed:8.0f} ads a second, start of the processes and files included")

    cutouts = {p.product_id: draw_cutout(p, CUTOUT_SIZE) for p in products}
    sample = ads[:: max(1, len(ads) // 200)]
    background = _each(
        lambda ad: render_background(ad.look, seed=ad.seed, size=options.size), sample
    )
    whole = _each(
        lambda ad: draw_ad(
            ad.look, cutouts[ad.product.product_id], seed=ad.seed, size=options.size
        ),
        sample,
    )
    pictures = [
        draw_ad(ad.look, cutouts[ad.product.product_id], seed=ad.seed, size=options.size)
        for ad in sample
    ]
    encoding = _each(encode_png, pictures)
    print(f"{background:8.2f} ms of processor an ad: background")
    print(f"{whole - background:8.2f} ms: placing, shadow, paste")
    print(f"{encoding:8.2f} ms: PNG")


def _each(draw, items) -> float:  # type: ignore[no-untyped-def]
    """Processor time of one call (ms)."""
    began = time.process_time()
    for item in items:
        draw(item)
    return 1000 * (time.process_time() - began) / len(items)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=88)
    parser.add_argument("--per-product", type=int, default=12)
    parser.add_argument("--size", type=int, default=128)
    return parser.parse_args()


if __name__ == "__main__":
    main()
