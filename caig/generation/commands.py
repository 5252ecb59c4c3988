"""``caig cut-out`` and ``caig generate``: product pictures to cut-outs, cut-outs to ads."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Sets = Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)]


def cut_out(
    source: Path,
    *,
    config: Path | None = None,
    set_: Sets = (),
    runs: Path = Path("runs"),
) -> None:
    """Cut products out of their pictures: RGBA, with a score for every mask.

    Reads PNG, JPEG, WebP, GIF, TIFF, BMP and AVIF of any mode, rotation and size. Pictures with
    alpha lose their soft shadow; pictures on a plain ground lose the ground. A picture that cannot
    be read, or whose mask is wrong, is listed with the reason and not used; a doubtful one is used
    on request only. Prints what needs a look; the last line is the run's folder, which holds
    products and cutouts (Parquet), the cut-outs below images/, and cutouts.png, a contact sheet.

    Args:
        source: Folder of pictures, sub-folders being categories; or a CSV file with the columns
            product_id, title, category and image, or others named with --set columns.image=file.
        config: TOML file: columns, images, method, use_doubtful, ...; see docs/generation.md.
        set_: One value over the file's, e.g. --set images=photos --set use_doubtful=true.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.generation.config import CutOutConfig
    from caig.generation.console import print_cutouts
    from caig.generation.cutting import record_cutouts
    from caig.progress import ShownProgress

    settings = load_config(CutOutConfig, config, set_)
    with ShownProgress("cutting out", "pictures") as progress:
        summary = record_cutouts(runs, source, settings, advance=progress.advance)
    print_cutouts(summary)
    print(summary.path)


def generate(
    products: Path,
    *,
    prompt: str | None = None,
    prompts: Path | None = None,
    config: Path | None = None,
    set_: Sets = (),
    generator: str | None = None,
    dry_run: bool = False,
    resume: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Paint ads: a background from a prompt around every product, whose own pixels are kept.

    With a diffusion model of yours (any Stable Diffusion checkpoint in diffusers' format, with or
    without ControlNet and LoRA), or by rule, without any model. Two pictures of one product differ
    by their prompts alone. Every picture is on disk before the next batch begins; a run that was
    cut off, or killed, goes on with --resume. The last line is the run's folder, which holds
    creatives and prompts (Parquet), the pictures below images/, and creatives.png, a contact sheet.

    Args:
        products: Run with products that have cut-outs, e.g. of caig cut-out, as a folder or an id.
        prompt: One prompt for every product.
        prompts: CSV file with a column prompt and, as wanted, product_id and prompt_id; or a run
            with prompt_samples, as a folder or an id.
        config: TOML file: size, seed, batch_size, diffusion, ...; configs/generation/paper.toml has
            the published settings; see docs/generation.md.
        set_: One value over the file's, e.g. --set diffusion.base=FOLDER --set size=768.
        generator: diffusion, procedural, or module:Class of your own; the configuration's by
            default.
        dry_run: Say how many pictures, how long and how much memory, by trying a batch; write
            nothing.
        resume: Run folder that was cut off; it keeps its prompts and configuration.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.errors import CaigError
    from caig.generation.config import GenerationConfig
    from caig.generation.console import print_estimate, print_generated
    from caig.generation.estimating import estimate
    from caig.generation.generating import (
        Task,
        make_generator,
        products_of,
        record_generation,
        resumed,
    )
    from caig.generation.prompts import read_prompts
    from caig.progress import ShownProgress

    catalogue = open_run(products, runs)
    overrides = (*set_, *((f'generator="{generator}"',) if generator else ()))
    if resume:
        if prompt is not None or prompts or config or dry_run:
            raise CaigError("--resume takes prompts and configuration of the run; leave them out")
        task = resumed(resume, catalogue, overrides)
    else:
        settings = load_config(GenerationConfig, config, overrides)
        found = products_of(catalogue)
        if prompts and not prompts.suffix and not prompts.exists():
            prompts = open_run(prompts, runs).path
        wanted, files, inputs = read_prompts(found, text=prompt, source=prompts)
        task = Task(settings, found, wanted, {"products": catalogue, **inputs}, files)
    if dry_run:
        painter = make_generator(task.config)
        print_estimate(estimate(painter, task), painter.name)
        return
    with ShownProgress("painting", "ads") as progress:
        path, creatives = record_generation(runs, task, done=resume, advance=progress.advance)
    print_generated(creatives)
    print(path)
