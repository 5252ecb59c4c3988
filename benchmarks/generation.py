"""Our batched painting beside a plain loop over the same diffusers pipeline, and what is around it.

    .venv/bin/python benchmarks/generation.py                # tiny and middle, on a CPU
    .venv/bin/python benchmarks/generation.py --shape full   # as Stable Diffusion 1.5, on a GPU

One process, one run. The same networks (real classes, random weights), the same eight prompts of
four products, steps, sampler, guidance and ControlNet. The plain loop is what the pipeline's
documentation shows: one picture at a time from PIL images, product pasted with Pillow, saved as
PNG. Ours is ``DiffusionGenerator.generate``, from cut-out files to durable, content-addressed PNG.
Rounds alternate, each begins with another way, and times are medians; the fewest CPU seconds stand
beside them, as they say more on a busy machine. "outside" is the share of our time that is not
spent in the forward passes of UNet, ControlNet, VAE and text encoder.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch  # noqa: TID253
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import tiny_diffusion

from caig.contracts.creatives import PRODUCTS, PROMPTS
from caig.generation.compose import canny_control, paste, place, repaint_mask
from caig.generation.config import DiffusionConfig, GenerationConfig
from caig.generation.pictures import read_picture
from caig.generation.pipeline import DiffusionGenerator, product_seed
from caig.generation.sheet import encode_png

SHAPES = {  # UNet widths, layers a block, picture (px), steps
    "tiny": ((32, 64), 1, 64, 8),
    "middle": ((64, 128, 256, 256), 2, 128, 8),
    "full": ((320, 640, 1280, 1280), 2, 512, 30),
}
N_PRODUCTS, N_PROMPTS = 4, 8


class Forwards:
    """Adds up the time spent in the networks of a pipeline."""

    def __init__(self, pipeline: Any, device: torch.device) -> None:
        self.seconds = {"unet": 0.0, "controlnet": 0.0, "vae": 0.0, "text_encoder": 0.0}
        self._device = device
        self._wrap(pipeline.unet, "forward", "unet")
        self._wrap(pipeline.controlnet, "forward", "controlnet")
        self._wrap(pipeline.vae, "encode", "vae")
        self._wrap(pipeline.vae, "decode", "vae")
        self._wrap(pipeline.text_encoder, "forward", "text_encoder")

    def _wrap(self, network: Any, method: str, name: str) -> None:
        real = getattr(network, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            self._wait()
            began = time.perf_counter()
            found = real(*arguments, **options)
            self._wait()
            self.seconds[name] += time.perf_counter() - began
            return found

        setattr(network, method, timed)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of torch; on a busy machine, 1 is steadier")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    print_compositing()
    shapes = ["tiny", "middle"] if options.shape == "both" else [options.shape]
    for shape in shapes:
        compare(shape, options.rounds)


def print_compositing() -> None:
    """Times of what is done to one picture at 512 px beside painting it."""
    rng = np.random.default_rng(1)
    placed = place(product(rng, 800), 512)
    background = rng.integers(0, 256, (512, 512, 3), np.uint8)
    parts: dict[str, Callable[[], object]] = {
        "paste": lambda: paste(background, placed),
        "canny": lambda: canny_control(placed),
        "mask": lambda: repaint_mask(placed),
        "paste + canny + mask": lambda: (
            paste(background, placed),
            canny_control(placed),
            repaint_mask(placed),
        ),
        "place (once a product)": lambda: place(product_800, 512),
        "PNG": lambda: encode_png(background),
    }
    product_800 = product(rng, 800)
    print("at 512 px, ms: median on the clock, fewest of the processor")
    for name, action in parts.items():
        clock, cpu = timed(action, 31)
        print(f"  {name:24} {1e3 * clock:6.2f} {1e3 * cpu:6.2f}")


def compare(shape: str, rounds: int) -> None:
    """Time the plain loop and our batches of 1 and 8 in turn."""
    widths, layers, size, steps = SHAPES[shape]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tiny_diffusion.save(root, widths=widths, layers=layers, size=size // 8)
        products, prompts = inputs(root)
        settings = DiffusionConfig(
            base=str(root / "base"), controlnet=str(root / "controlnet"), steps=steps
        )
        config = GenerationConfig(size=size, diffusion=settings)
        ours = {1: DiffusionGenerator(config)}
        pipeline = ours[1].pipeline
        eight = config.model_copy(update={"batch_size": N_PROMPTS})
        ours[8] = DiffusionGenerator(eight, pipeline=pipeline)
        forwards = Forwards(pipeline, device)
        n = sum(p.numel() for p in pipeline.unet.parameters())
        print(
            f"\n{shape}: UNet of {n / 1e6:.1f} M, {size} px, {steps} steps, {device}, "
            f"{pipeline.dtype}, {torch.get_num_threads()} threads"
        )
        ways: dict[str, Callable[[], object]] = {
            "plain loop": lambda: plain(pipeline, config, prompts, products, root / "plain"),
            "ours, batch 1": lambda: fresh(ours[1]).generate(prompts, products, root / "one"),
            "ours, batch 8": lambda: fresh(ours[8]).generate(prompts, products, root / "eight"),
        }
        (root / "plain").mkdir()
        taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            names = list(ways)
            for name in names[number % 3 :] + names[: number % 3]:
                within = sum(forwards.seconds.values())
                began, began_cpu = time.perf_counter(), time.process_time()
                ways[name]()
                wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
                if number:  # the first round warms up
                    within = sum(forwards.seconds.values()) - within
                    taken[name].append((wall, cpu, 1 - within / wall))
        reference = taken["plain loop"]
        for name, found in taken.items():
            wall = statistics.median(w for w, _, _ in found)
            ratio = statistics.median(r[0] / f[0] for r, f in zip(reference, found, strict=True))
            cpu = min(c for _, c, _ in found)
            less = min(c for _, c, _ in reference) / cpu
            outside = statistics.median(o for _, _, o in found)
            print(
                f"  {name:14} {N_PROMPTS / wall:7.2f} pictures/s  x {ratio:.2f} of the plain loop"
                f"  {1e3 * cpu / N_PROMPTS:7.1f} CPU ms a picture (x {less:.2f})"
                f"  outside {outside:6.1%}"
            )


def fresh(generator: DiffusionGenerator) -> DiffusionGenerator:
    """The generator without the texts and products of the round before."""
    return DiffusionGenerator(generator.config, pipeline=generator.pipeline)


def plain(
    pipeline: Any,
    config: GenerationConfig,
    prompts: pl.DataFrame,
    products: pl.DataFrame,
    out: Path,
) -> None:
    """One picture at a time, as the pipeline's documentation shows."""
    cutouts = dict(products.select("product_id", "cutout_path").iter_rows())
    for prompt_id, product_id, text in prompts.select(
        "prompt_id", "product_id", "prompt"
    ).iter_rows():
        placed = place(read_picture(Path(cutouts[product_id])).rgba, config.size)
        edges = np.repeat(canny_control(placed)[..., None], 3, axis=2)
        picture = pipeline(
            prompt=text,
            image=Image.fromarray(placed[..., :3]),
            mask_image=Image.fromarray(repaint_mask(placed)),
            control_image=Image.fromarray(edges),
            controlnet_conditioning_scale=config.diffusion.control_scale,
            generator=torch.Generator("cpu").manual_seed(product_seed(product_id, config)),
            num_inference_steps=config.diffusion.steps,
            guidance_scale=config.diffusion.guidance,
            height=config.size,
            width=config.size,
        ).images[0]
        product_picture = Image.fromarray(placed)
        picture.paste(product_picture, (0, 0), product_picture)
        picture.save(out / f"{prompt_id}.png")


def inputs(root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Four products with cut-outs, and two prompts for each."""
    rng = np.random.default_rng(1)
    rows, texts = [], []
    for number in range(N_PRODUCTS):
        path = root / f"{number}.png"
        path.write_bytes(encode_png(product(rng, 600)))
        rows.append((str(number), "T", "C", "C", str(path), "test"))
        texts += [
            (f"{number}-{place}", str(number), f"a {place} in soft light, number {number}", "here")
            for place in ("beach", "desk")
        ]
    products = pl.DataFrame(rows, schema=PRODUCTS.schema, orient="row")
    return products, pl.DataFrame(texts, schema=PROMPTS.schema, orient="row")


def product(rng: np.random.Generator, side: int) -> np.ndarray:
    """A noisy disc with a soft rim."""
    y, x = np.mgrid[:side, :side] - side / 2
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., :3] = np.clip(rng.normal(128, 20, 3) + rng.normal(0, 10, (side, side, 3)), 0, 255)
    rgba[..., 3] = np.clip(40 * (side / 2 - 2 - np.hypot(y, x)), 0, 255)
    return rgba


def timed(action: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds on the clock, and the fewest of the processor."""
    action()
    clock, cpu = [], []
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        action()
        clock.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    return statistics.median(clock), min(cpu)


if __name__ == "__main__":
    main()
