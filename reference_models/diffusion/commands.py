"""``caig build-reference``: train a model of the project's own from nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from caig.errors import PrerequisiteError

if TYPE_CHECKING:
    from caig.runs.store import RunWriter

MODEL = "checkpoint"
"""Folder of the model, within a run."""


def build_reference(
    model: Literal["diffusion"],
    /,
    *,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    state: Path = Path("build/diffusion"),
    runs: Path = Path("runs"),
) -> None:
    """Train a Stable Diffusion pipeline from nothing on the shop world, and measure it.

    Stages: drawn pictures, autoencoder, judge, denoiser with its text encoder, ControlNet; each
    must pass its gate. A build that was cut off, or killed, goes on when the same command is given
    again. Hours on one processor core; sheets of what the denoiser paints lie in the state folder.

    Artifacts: the model in diffusers' format (checkpoint/shop and checkpoint/shop-canny), its card,
    generate.toml, suite_results with all that was measured, and contact sheets. Paint with it by
    `caig generate PRODUCTS --config RUN/generate.toml`, from within the run's folder or with
    diffusion.base and diffusion.controlnet set to its two folders.

    Args:
        model: Which; there is one.
        config: TOML file; see configs/diffusion and docs/diffusion.md.
        set_: One value over the file's, as key=value, e.g. --set denoiser.steps=30000.
        state: Folder of what a later attempt goes on from.
        runs: Folder of all runs.
    """
    assert model == "diffusion"
    _require_torch()

    from caig.config import load_config, to_toml
    from caig.contracts.experiments import SUITE_RESULTS
    from caig.generation.load import quiet
    from caig.generation.sheet import encode_png
    from caig.runs.store import RunWriter
    from reference_models.diffusion.building_net import (
        BASE,
        CONTROL,
        build,
        generation_config,
        save_built,
    )
    from reference_models.diffusion.card import card
    from reference_models.diffusion.config import BuildConfig
    from reference_models.diffusion.measuring import results_table
    from reference_models.diffusion.measuring_net import measure

    settings = load_config(BuildConfig, config, set_)
    with RunWriter(runs, "build-reference", settings, seed=settings.seed) as run, quiet():
        built = build(settings, state=state, tell=_told(run))
        folder = run.path / MODEL
        files = save_built(built, folder)
        found = measure(settings, built, folder)
        for path in files:
            relative = path.relative_to(run.path).as_posix()
            run.adopt_file(relative, relative, _media_type(path))
        generate = generation_config(
            settings, base=f"{MODEL}/{BASE}", controlnet=f"{MODEL}/{CONTROL}"
        )
        run.write_text("generate", "generate.toml", to_toml(generate), "text/toml")
        run.write_table(SUITE_RESULTS, results_table("diffusion/shop", found.figures))
        for name, picture in (("held_out", found.held_out), ("unseen", found.unseen)):
            run.write_bytes(f"{name}_sheet", f"{name}.png", encode_png(picture), "image/png")
        made_by = "caig build-reference diffusion" + (f" --config {config}" if config else "")
        text = card(found.figures, files, folder=folder, command=made_by)
        run.write_text("card", f"{MODEL}/README.md", text, "text/markdown")
        for name, value in built.figures.items():
            run.add_metric(name, value)
        for figure in found.figures:
            if figure.slice == "all":
                run.add_metric(figure.metric, figure.estimate)
    print(run.path)


def _told(run: "RunWriter") -> Callable[[str], None]:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)

    def tell(line: str) -> None:
        run.log("build", line=line)
        console.print(line, markup=False)

    return tell


def _media_type(path: Path) -> str:
    return {
        ".safetensors": "application/vnd.safetensors",
        ".json": "application/json",
    }.get(path.suffix, "text/plain")


def _require_torch() -> None:
    try:
        import diffusers
        import skia  # noqa: F401
    except ImportError:
        raise PrerequisiteError.from_extra("building the reference pipeline", "train") from None
    assert diffusers.__version__
