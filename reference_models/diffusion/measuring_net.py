"""What the finished pipeline is measured by, loaded the way ``caig generate`` loads it.

Every look asked for is held out, every product is of the test drawings, and a judge that has seen
drawings alone says what is shown. The judge's own shares on drawn ads of the same looks stand
beside, as the most that paintings could reach.
"""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from caig.generation.compose import Picture
from caig.generation.pipeline import DiffusionGenerator, Placed
from reference_models.diffusion import effects
from reference_models.diffusion.building_net import (
    BASE,
    CONTROL,
    Built,
    generation_config,
    held_out_looks,
    held_out_scenes,
)
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.judge_net import named
from reference_models.diffusion.measuring import Figure, agreement, mean, share
from reference_models.diffusion.painting import no_product, paint, paint_looks, sheet, standing
from reference_models.diffusion.scenes import Composer, compose
from reference_models.diffusion.unseen import UNSEEN
from reference_models.shop.prompts import say
from reference_models.shop.vocabulary import SCENES, Look

TIMED = 12
"""Pictures that are timed, one by one."""


class Measured(NamedTuple):
    """What came out.

    Attributes:
        figures: All of them.
        held_out: Sheet of the first paintings of held-out looks, a column a scene.
        unseen: Sheet of the paintings of free text, a column a scene.
    """

    figures: list[Figure]
    held_out: Picture
    unseen: Picture


def measure(config: BuildConfig, built: Built, saved: Path) -> Measured:
    """Measure the pipeline that is saved in a folder.

    Args:
        config: Of the build.
        built: For its judge and its training pictures.
        saved: Folder with the pipeline and its ControlNet.
    """
    painter = _loaded(config, saved, control=True)
    composer = Composer(size=config.size, split="test")
    asked = held_out_looks(config.measure.prompts, seed=config.seed + 1)
    placed = [standing(composer, number, look) for number, look in enumerate(asked)]
    painted = paint(painter, placed, [say(look) for look in asked])
    figures = agreement(asked, named(built.judge, painted), prefix="painted")

    backgrounds, drawn_looks = held_out_scenes(config, config.measure.prompts)
    drawn = [
        compose(background, look, standing(composer, number, look).rgba).ad
        for number, (background, look) in enumerate(zip(backgrounds, drawn_looks, strict=True))
    ]
    figures += agreement(drawn_looks, named(built.judge, drawn), prefix="drawn")

    scenes, texts = zip(*((s, text) for s, those in UNSEEN.items() for text in those), strict=True)
    free = paint_looks(painter, [Look(scene) for scene in scenes], composer, texts=texts)
    seen = named(built.judge, free)
    hits = [found.scene == scene for found, scene in zip(seen, scenes, strict=True)]
    figures.append(share("unseen_text_scene", hits))

    figures += _control(config, saved, painter, placed, asked)
    figures += _copies(config, built, painter, backgrounds)
    figures.append(_seconds(painter, placed, asked))
    columns = len(SCENES)
    of_scene = [free[n::4] for n in range(4)]
    return Measured(
        figures,
        sheet(painted[: 4 * columns], columns=columns // 2),
        sheet([picture for row in of_scene for picture in row], columns=columns // 2),
    )


def _loaded(config: BuildConfig, saved: Path, *, control: bool) -> DiffusionGenerator:
    return DiffusionGenerator(
        generation_config(
            config,
            base=str(saved / BASE),
            controlnet=str(saved / CONTROL) if control else "",
        )
    )


def _control(
    config: BuildConfig,
    saved: Path,
    painter: DiffusionGenerator,
    placed: list[Placed],
    asked: list[Look],
) -> list[Figure]:
    """The ControlNet's effect on the product's rim and the ground beneath it, on the same seeds."""
    some = placed[: config.measure.neighbours]
    texts = [say(look) for look in asked[: len(some)]]
    with_it = paint(painter, some, texts, raw=True)
    without = paint(_loaded(config, saved, control=False), some, texts, raw=True)
    figures = []
    for name, of in (("rim_error", effects.rim_error), ("contact", effects.contact_darkening)):
        values = np.array(
            [
                [of(picture, one) for picture in pair]
                for *pair, one in zip(with_it, without, some, strict=True)
            ]
        )
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 2:  # a small canvas leaves a product no rim
            continue
        figures += [
            mean(f"{name}_with_control", values[:, 0].tolist()),
            mean(f"{name}_without_control", values[:, 1].tolist()),
            mean(f"{name}_difference", (values[:, 0] - values[:, 1]).tolist()),
        ]
    pasted = paint(painter, some, texts)
    moved = [effects.product_moved(picture, one) for picture, one in zip(pasted, some, strict=True)]
    figures.append(share("product_identical", [most == 0 for most in moved]))
    return figures


def _copies(
    config: BuildConfig, built: Built, painter: DiffusionGenerator, backgrounds: Picture
) -> list[Figure]:
    """Whether paintings without a product lie nearer to training pictures than new drawings do."""
    many = config.measure.neighbours
    asked = held_out_looks(many, seed=config.seed + 2)
    painted = paint(painter, [no_product(config.size)] * many, [say(look) for look in asked])
    of_painted = effects.nearest_distances(painted, built.pictures)
    of_drawn = effects.nearest_distances(list(backgrounds[:many]), built.pictures)
    nearest = float(of_drawn.min())
    return [
        mean("nearest_training_painted", of_painted.tolist()),
        mean("nearest_training_drawn", of_drawn.tolist()),
        share("nearer_than_any_drawn", (of_painted < nearest).tolist()),
    ]


def _seconds(painter: DiffusionGenerator, placed: list[Placed], asked: list[Look]) -> Figure:
    """Seconds an image, one by one, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        spent = []
        for number in range(TIMED + 1):
            started = time.process_time()
            painter.paint([placed[0]], [say(asked[0])], [number])
            spent.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return mean("seconds_an_image", spent[1:])  # the first warms up
