"""The products' pictures: our own SVG drawings, rendered on nothing.

Skia draws them; of SVG it understands shapes, gradients and clips, which is all they use.
"""

import cv2
import numpy as np
import skia

from reference_models.shop.products import FOLDER, ShopProduct, number_of


def draw_cutout(product: ShopProduct, size: int) -> np.ndarray:
    """Render a product on nothing.

    Args:
        product: Which.
        size: Side of the square picture (px).

    Returns:
        (size, size, 4) uint8, red green blue and alpha, not premultiplied.
    """
    pixels = np.zeros((size, size, 4), np.uint8)
    info = skia.ImageInfo.Make(size, size, skia.kRGBA_8888_ColorType, skia.kUnpremul_AlphaType)
    surface = skia.Surface(size, size)
    drawing = (FOLDER / f"{product.drawing_id}.svg").read_bytes()
    dom = skia.SVGDOM.MakeFromStream(skia.MemoryStream(drawing, True))  # noqa: FBT003
    dom.setContainerSize(skia.Size(size, size))
    dom.render(surface.getCanvas())
    surface.readPixels(info, pixels, size * 4, 0, 0)
    return _varied(pixels, product) if product.variant else pixels


def _varied(pixels: np.ndarray, product: ShopProduct) -> np.ndarray:
    """Another hue, perhaps mirrored: the same kind of thing from another maker."""
    rng = np.random.default_rng(number_of(product.product_id))
    hue, saturation, value = cv2.split(cv2.cvtColor(pixels[:, :, :3], cv2.COLOR_RGB2HSV))
    turn = int(rng.integers(-12, 13))  # of OpenCV's 180 steps: honey stays honey
    hue = ((hue.astype(np.int16) + turn) % 180).astype(np.uint8)
    saturation = _scaled(saturation, rng.uniform(0.75, 1.2))
    value = _scaled(value, rng.uniform(0.85, 1.08))
    colours = cv2.cvtColor(cv2.merge([hue, saturation, value]), cv2.COLOR_HSV2RGB)
    varied = np.dstack([colours, pixels[:, :, 3]])
    return np.ascontiguousarray(varied[:, ::-1] if rng.random() < 0.5 else varied)


def _scaled(channel: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(channel * factor + 0.5, 0, 255).astype(np.uint8)
