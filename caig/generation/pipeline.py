"""Painting backgrounds with a diffusion pipeline, as in the paper: inpainting around the product.

Each picture has a random generator of its own, seeded by its product, so that two pictures of one
product differ by their prompts alone, and no picture depends on what is painted with it. Texts are
encoded once each and together, edges once a picture. After painting, the product goes over the
picture again, bit for bit.
"""

import hashlib
import resource
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from caig.contracts.creatives import CREATIVES
from caig.errors import DataError
from caig.generation.compose import Picture, canny_control, paste, place, repaint_mask
from caig.generation.config import GenerationConfig
from caig.generation.load import load_pipeline, quiet
from caig.generation.pictures import read_picture
from caig.generation.sheet import encode_png
from caig.runs.images import add_image

if TYPE_CHECKING:
    import torch

KEPT_TEXTS = 512
KEPT_PRODUCTS = 64
EMBEDDINGS = {
    2: ("prompt_embeds", "negative_prompt_embeds"),
    4: (
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    ),
}
"""Names of what ``encode_prompt`` gives, by how many there are: Stable Diffusion, and its XL."""


class Placed(NamedTuple):
    """A product on its canvas and what the painter is told about it.

    Attributes:
        rgba: ``(size, size, 4)``.
        edges: ``(size, size)``, for the ControlNet.
        mask: ``(size, size)``, 255 where to paint.
    """

    rgba: Picture
    edges: Picture
    mask: Picture


class DiffusionGenerator:
    """A ``CreativeGenerator`` that paints with diffusers.

    Args:
        config: Model, sizes, seed.
        pipeline: A pipeline that is loaded already; by default the configuration's.

    Attributes:
        name: ``diffusion/`` and the base model's name.
        pipeline: The pipeline.

    Raises:
        CaigError: The model cannot be loaded; see :func:`caig.generation.load.load_pipeline`.
    """

    def __init__(self, config: GenerationConfig, *, pipeline: Any = None) -> None:
        self.config = config
        self.pipeline = load_pipeline(config.diffusion) if pipeline is None else pipeline
        self.name = f"diffusion/{Path(config.diffusion.base).name}"
        self._texts: OrderedDict[str, dict[str, torch.Tensor]] = OrderedDict()
        self._against: dict[str, torch.Tensor] = {}
        self._placed: OrderedDict[str, Placed] = OrderedDict()

    def generate(self, prompts: pl.DataFrame, products: pl.DataFrame, out: Path) -> pl.DataFrame:
        """Paint one creative a prompt; see ``CreativeGenerator``.

        Raises:
            DataError: A product has no cut-out, or it cannot be read or is empty.
        """
        cutouts = dict(products.select("product_id", "cutout_path").iter_rows())
        rows = []
        for batch in prompts.iter_slices(self.config.batch_size):
            ids = batch["product_id"].to_list()
            placed = [self._place(product_id, cutouts[product_id]) for product_id in ids]
            seeds = [product_seed(product_id, self.config) for product_id in ids]
            painted = self.paint(placed, batch["prompt"].to_list(), seeds)
            for prompt_id, product_id, seed, picture in zip(
                batch["prompt_id"], ids, seeds, painted, strict=True
            ):
                path, digest = add_image(out, encode_png(picture))
                height, width = picture.shape[:2]
                rows.append(
                    (
                        f"{prompt_id}-{digest[:8]}",
                        product_id,
                        path,
                        digest,
                        "generated",
                        prompt_id,
                        self.name,
                        seed,
                        width,
                        height,
                    )
                )
        return pl.DataFrame(rows, schema=CREATIVES.schema, orient="row")

    def paint(
        self, placed: list[Placed], texts: list[str], seeds: list[int], *, steps: int | None = None
    ) -> list[Picture]:
        """Paint around products, all in one batch.

        Args:
            placed: Products.
            texts: A prompt each.
            seeds: A seed each.
            steps: Denoising steps; the configuration's by default.

        Returns:
            RGB pictures with the products' own pixels.
        """
        import torch

        size, model = self.config.size, self.config.diffusion
        options: dict[str, Any] = {
            "image": _stacked([p.rgba[..., :3] for p in placed]),
            "mask_image": _stacked([p.mask[..., None] for p in placed]),
            # On the CPU, so that every device draws the same noise.
            "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            "height": size,
            "width": size,
            "strength": 1.0,  # anything less would shine through from the empty canvas
            "num_inference_steps": steps or model.steps,
            "guidance_scale": model.guidance,
            "output_type": "np",
        }
        if getattr(self.pipeline, "controlnet", None) is not None:
            edges = [np.repeat(p.edges[..., None], 3, axis=2) for p in placed]
            options["control_image"] = _stacked(edges)
            options["controlnet_conditioning_scale"] = model.control_scale
        with torch.inference_mode(), _edges_read_once(getattr(self.pipeline, "controlnet", None)):
            options |= self._text_options(texts)
            painted = self.pipeline(**options).images
        whole = np.clip(np.rint(255 * np.asarray(painted, np.float32)), 0, 255).astype(np.uint8)
        return [
            paste(picture, product.rgba) for picture, product in zip(whole, placed, strict=True)
        ]

    def probe(self, prompts: pl.DataFrame, products: pl.DataFrame) -> tuple[float, str]:
        """Time of a batch (seconds), from runs of few steps, and how it was found."""
        cutouts = dict(products.select("product_id", "cutout_path").iter_rows())
        ids, texts = prompts["product_id"].to_list(), prompts["prompt"].to_list()
        placed = [self._place(product_id, cutouts[product_id]) for product_id in ids]
        seeds = [product_seed(product_id, self.config) for product_id in ids]
        seconds = []
        for steps in (1, 1, 3):  # the first warms up
            started = time.perf_counter()
            self.paint(placed, texts, seeds, steps=steps)
            seconds.append(time.perf_counter() - started)
        step = max(0.0, seconds[2] - seconds[1]) / 2
        total = seconds[1] + step * (self.config.diffusion.steps - 1)
        return total, f"{step:.3g} s a step, from batches of 1 and 3 steps"

    def weights(self) -> dict[str, int]:
        """Size of the weights by type (bytes)."""
        sizes: dict[str, int] = {}
        for part in self._networks().values():
            for tensor in part.parameters():
                kind = str(tensor.dtype).removeprefix("torch.")
                sizes[kind] = sizes.get(kind, 0) + tensor.numel() * tensor.element_size()
        return sizes

    def peak_bytes(self) -> int:
        """Most memory used so far: of the GPU if it runs on one, else of this process (bytes)."""
        import torch

        device = self.pipeline._execution_device
        if device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(device))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def describe(self) -> dict[str, Any]:
        """What paints, for the record of a run."""
        parts = self._networks()
        return {
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(self.pipeline.scheduler).__name__,
            "device": str(self.pipeline._execution_device),
            "networks": {
                name: {
                    "class": type(part).__name__,
                    "dtype": str(part.dtype).removeprefix("torch."),
                    "n_parameters": sum(tensor.numel() for tensor in part.parameters()),
                }
                for name, part in parts.items()
            },
        }

    def cut_prompts(self, prompts: pl.DataFrame) -> tuple[int, int]:
        """How many prompts are longer than the model reads, and how many tokens it reads."""
        tokenizer = getattr(self.pipeline, "tokenizer", None)
        most = getattr(tokenizer, "model_max_length", None)
        if tokenizer is None or most is None:
            return 0, 0
        with quiet():
            ids = tokenizer(prompts["prompt"].to_list(), truncation=False)["input_ids"]
        return sum(len(tokens) > most for tokens in ids), most

    def _networks(self) -> dict[str, Any]:
        return {
            name: part
            for name, part in sorted(self.pipeline.components.items())
            if hasattr(part, "parameters")
        }

    def _text_options(self, texts: list[str]) -> dict[str, Any]:
        """Embeddings of the prompts, or the prompts where the pipeline's are not known."""
        import torch

        kind = type(self.pipeline).__name__
        if not kind.startswith("StableDiffusion") or kind.startswith("StableDiffusion3"):
            negative = self.config.diffusion.negative_prompt
            return {"prompt": texts, "negative_prompt": [negative] * len(texts)}
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            encoded = self._encoded(new, guided=False)
            for index, text in enumerate(new):
                self._texts[text] = {name: v[index : index + 1] for name, v in encoded.items()}
        if not self._against and self.config.diffusion.guidance > 1:
            encoded = self._encoded([""], guided=True)
            self._against = {n: v for n, v in encoded.items() if n.startswith("negative")}
        chosen = [self._texts[text] for text in texts]
        options = {name: torch.cat([one[name] for one in chosen]) for name in chosen[0]}
        options |= {n: v.repeat_interleave(len(texts), 0) for n, v in self._against.items()}
        _forget(self._texts, KEPT_TEXTS)
        return options

    def _encoded(self, texts: list[str], *, guided: bool) -> "dict[str, torch.Tensor]":
        """Embeddings by name; with ``guided``, those of the negative prompt too."""
        with quiet():
            found = self.pipeline.encode_prompt(
                prompt=texts,
                device=self.pipeline._execution_device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=guided,
                # None, not "": an XL model may then take zeros, as it was trained.
                negative_prompt=self.config.diffusion.negative_prompt or None,
            )
        names = EMBEDDINGS[len(found)]
        return {name: v for name, v in zip(names, found, strict=True) if v is not None}

    def _place(self, product_id: str, cutout: str | None) -> Placed:
        if product_id not in self._placed:
            if cutout is None:
                raise DataError(f"product '{product_id}' has no cut-out; make some: caig cut-out")
            config = self.config
            try:
                rgba = place(
                    read_picture(Path(cutout)).rgba,
                    config.size,
                    fit=config.fit,
                    ground=config.ground,
                )
            except DataError as error:
                named = str(error) if cutout in str(error) else f"{cutout}: {error}"
                raise DataError(named) from None
            self._placed[product_id] = Placed(rgba, canny_control(rgba), repaint_mask(rgba))
            _forget(self._placed, KEPT_PRODUCTS)
        return self._placed[product_id]


@contextmanager
def _edges_read_once(controlnet: Any) -> Iterator[None]:
    """Lets a ControlNet embed its control image once a picture instead of once a step."""
    embedding = getattr(controlnet, "controlnet_cond_embedding", None)
    if embedding is None:
        yield
        return
    compute = embedding.forward
    read: list[Any] = [None, None]

    def once(edges: Any) -> Any:
        if read[0] is not edges:
            read[:] = [edges, compute(edges)]
        return read[1]

    embedding.forward = once
    try:
        yield
    finally:
        embedding.forward = compute


def _forget(kept: OrderedDict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def product_seed(product_id: str, config: GenerationConfig) -> int:
    """Seed of all pictures of one product: the same whatever else is painted."""
    if not config.seed_per_product:
        return config.seed
    digest = hashlib.sha256(f"{config.seed} {product_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _stacked(pictures: list[Picture]) -> "torch.Tensor":
    """Pictures as ``(n, channels, height, width)``, 0-1."""
    import torch

    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(torch.float32) / 255
