"""``caig train-baseline``: train VAM, CG4CTR or the headline model on the ads of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from caig.errors import ConfigError, PrerequisiteError
from reference_models.baseline_runs import VERB

if TYPE_CHECKING:
    from caig.config import Config
    from caig.runs.store import RunWriter
    from reference_models.baseline_runs import DataOfRun
    from reference_models.cg4ctr import Cg4ctrConfig
    from reference_models.item_lists import ListMetrics
    from reference_models.training_net import Epoch, Fitted
    from reference_models.vam import VamConfig

STATE = "state"
"""Folder, within a run that is being made, of what a later attempt needs."""


def train_baseline(
    model: Literal["vam", "cg4ctr", "headline"],
    data: Path,
    /,
    *,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    resume: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Train a baseline on ads and their clicks; write its weights as a run.

    Artifacts: the weights (safetensors; of headline, a table), training_history, a model card.
    Figures of the run are those of the kept epoch, or strength, on the validation products. Score
    with `ref:vam:RUN`, `ref:cg4ctr:RUN` or `ref:headline:RUN`.

    Args:
        model: vam and cg4ctr read pictures; headline reads headlines, see docs/upworthy.md.
        data: Run of `caig make-data`, `caig ingest` or `caig pairs`, as a folder or an id; of the
            last, the products' splits are taken.
        config: TOML file; see configs/baselines and docs/baselines.md.
        set_: One value over the file's, as key=value, e.g. --set epochs=3.
        resume: Folder of an unfinished run of the same training: go on after its last epoch.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.runs.store import RunWriter
    from reference_models.baseline_runs import data_of
    from reference_models.cg4ctr import Cg4ctrConfig
    from reference_models.vam import VamConfig

    if model == "headline":
        if resume is not None:
            raise ConfigError("headline: --resume is for trainings of epochs; train anew")
        print(_headline(data, config, set_, runs))
        return
    _require_torch()
    schema: type[VamConfig] | type[Cg4ctrConfig] = VamConfig if model == "vam" else Cg4ctrConfig
    settings = load_config(schema, config, set_)
    source = open_run(data, runs)
    found = data_of(source)
    inputs = {"data": found.data}
    if source.run_id != found.data.run_id:
        inputs["pairs"] = source
    with RunWriter(runs, VERB, settings, inputs=inputs, seed=settings.seed) as run:
        state = run.path / STATE
        if resume is not None:
            _take_over(resume / STATE, state)
        if isinstance(settings, VamConfig):
            _vam(run, settings, found, state)
        else:
            _cg4ctr(run, settings, found, state)
        _remove(state)
    print(run.path)


def _headline(data: Path, config: Path | None, set_: tuple[str, ...], runs: Path) -> Path:
    from rich.console import Console

    from caig.config import load_config
    from caig.data.sources import data_run, open_run
    from caig.runs.store import RunWriter
    from reference_models.headline import Tried, headline_ads, train_folds
    from reference_models.headline_config import HeadlineConfig
    from reference_models.headline_run import write_headline

    settings = load_config(HeadlineConfig, config, set_)
    source = data_run(open_run(data, runs))
    ads = headline_ads(source)
    console = Console(stderr=True, highlight=False)

    def tell(tried: Tried) -> None:
        console.print(
            f"strength {tried.strength:g}  validation pairs right {tried.pair_accuracy:.3f}"
            f"  log-loss {tried.log_loss:.4f}"
        )

    with RunWriter(runs, VERB, settings, inputs={"data": source}) as run:
        write_headline(run, train_folds(ads, settings, tell=tell))
    return run.path


def _vam(run: "RunWriter", config: "VamConfig", found: "DataOfRun", state: Path) -> None:
    from reference_models.vam_net import save_vam, train_vam

    lists = [
        found.lists(split, min_impressions=config.min_impressions) for split in ("train", "val")
    ]
    net, fitted, metrics = train_vam(
        config,
        *lists,
        state=state,
        identity=_identity("vam", config, found),
        tell=_told(run, config.epochs),
    )
    _write(run, "vam", lambda file: save_vam(net, file), fitted, metrics)


def _cg4ctr(run: "RunWriter", config: "Cg4ctrConfig", found: "DataOfRun", state: Path) -> None:
    from reference_models.cg4ctr_net import save_cg4ctr, train_cg4ctr

    trained = train_cg4ctr(
        config,
        found,
        state=state,
        identity=_identity("cg4ctr", config, found),
        tell=_told(run, config.epochs),
        note=_noted(run),
    )
    run.add_metric("prior_clicks", trained.prior.clicks)
    run.add_metric("prior_impressions", trained.prior.impressions)
    _write(
        run,
        "cg4ctr",
        lambda file: save_cg4ctr(trained, file),
        trained.fitted,
        trained.metrics,
    )


def _identity(model: str, config: "Config", found: "DataOfRun") -> dict[str, Any]:
    return {
        "model": model,
        "data": found.data.as_input().model_dump(mode="json"),
        **config.model_dump(mode="json"),
    }


def _told(run: "RunWriter", epochs: int) -> Callable[["Epoch"], None]:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)

    def tell(epoch: "Epoch") -> None:
        run.log("epoch", epoch=epoch.epoch, loss=epoch.loss, **epoch.metrics)
        console.print(
            f"epoch {epoch.epoch}/{epochs}  loss {epoch.loss:.4f}"
            f"  validation pairs right {epoch.metrics['pair_accuracy']:.3f}"
            f"  top-1 uplift {epoch.metrics['top_1_uplift']:+.1%}"
        )

    return tell


def _noted(run: "RunWriter") -> Callable[..., None]:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)

    def note(event: str, **figures: float) -> None:
        run.log(event, **figures)
        told = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        console.print(f"{event.replace('_', ' ')}: {told}")

    return note


def _write(
    run: "RunWriter",
    model: str,
    save: Callable[[Path], None],
    fitted: "Fitted",
    metrics: "ListMetrics",
) -> None:
    import polars as pl

    from reference_models.baseline_cards import card

    (run.path / "checkpoint").mkdir()
    file = run.path / STATE / "weights.safetensors"
    save(file)
    run.write_bytes(
        f"{model}_weights",
        "checkpoint/model.safetensors",
        file.read_bytes(),
        "application/vnd.safetensors",
    )
    history = [{"epoch": e.epoch, "loss": e.loss, **e.metrics} for e in fitted.history]
    run.write_frame("training_history", pl.DataFrame(history))
    run.write_text(
        "card", "checkpoint/README.md", card(model, fitted.kept.epoch, metrics), "text/markdown"
    )
    run.add_metric("kept_epoch", fitted.kept.epoch)
    for name, value in metrics._asdict().items():
        run.add_metric(f"val_{name}", value)


def _take_over(earlier: Path, state: Path) -> None:
    import shutil

    from caig.errors import ArtifactError

    if not (earlier / "progress.json").is_file():
        raise ArtifactError(f"{earlier}: no finished epoch to go on from; train without --resume")
    shutil.copytree(earlier, state)


def _remove(state: Path) -> None:
    import shutil

    shutil.rmtree(state)


def _require_torch() -> None:
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError:
        raise PrerequisiteError.from_extra("training a baseline", "train") from None
    assert torch.__version__
