"""The build as a whole, in its minute-size settings, and the verb."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from caig.cli import run
from caig.errors import ArtifactError
from caig.runs.store import Run
from reference_models.diffusion import commands

pytestmark = pytest.mark.filterwarnings(  # diffusers' scheduler, under NumPy 2
    "ignore:__array__ implementation:DeprecationWarning"
)

MINUTE = Path(__file__).parents[3] / "configs/diffusion/minute.toml"

STAGES = ("autoencoder", "judge", "text", "denoiser", "control")


def step_of(state, stage):
    content = (state / f"{stage}.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    return int(json.loads(content[8 : 8 + length])["__metadata__"]["step"])


def test_all_stages_leave_their_states(built):
    found, state = built
    assert [step_of(state, stage) for stage in STAGES] == [3] * 5
    assert set(found.figures) == {"autoencoder_db", "judge_scene", "text_scene", "denoiser_scene"}
    assert found.pictures.shape == (48, 32, 32, 3)


@pytest.mark.parametrize(
    ("section", "key", "stage"),
    [
        ("autoencoder", "floor_db", "autoencoder"),
        ("judge", "floor", "judge"),
        ("text", "floor", "text"),
        ("denoiser", "floor", "denoiser"),
    ],
)
def test_a_stage_below_its_floor_stops_the_build(built, minute, section, key, stage):
    from reference_models.diffusion.building_net import build

    _, state = built
    part = getattr(minute, section).model_copy(update={key: 99.0})
    with pytest.raises(ArtifactError, match=f"^{stage}: .* raise {stage}.steps and go on"):
        build(minute.model_copy(update={section: part}), state=state, tell=lambda _: None)


@pytest.mark.slow
def test_killed_while_it_trains_it_goes_on_to_the_same_weights(built, tmp_path):
    _, straight = built
    state = tmp_path / "state"
    code = (
        "from pathlib import Path; from caig.config import load_config;"
        "from reference_models.diffusion.config import BuildConfig;"
        "from reference_models.diffusion.building_net import build;"
        f"build(load_config(BuildConfig, Path({str(MINUTE)!r}), ['save_every_s=0']),"
        f" state=Path({str(state)!r}), tell=print)"
    )
    started = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "."})
    while not (state / "denoiser.safetensors").exists():
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert step_of(state, "denoiser") < 3
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    for stage in STAGES:
        found, wanted = (load_file(at / f"{stage}.safetensors") for at in (state, straight))
        assert found.keys() == wanted.keys()
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=f"{stage} {name}")


@pytest.fixture(scope="module")
def finished(built, tmp_path_factory):
    """The verb's run, from the state of the build."""
    runs = tmp_path_factory.mktemp("runs")
    commands.build_reference("diffusion", config=MINUTE, state=built[1], runs=runs)
    (path,) = runs.iterdir()
    return Run.open(path)


def test_the_run_holds_model_figures_and_card(finished):
    assert finished.problems() == []
    metrics = finished.manifest.metrics
    assert {"autoencoder_db", "painted_scene", "drawn_scene", "unseen_text_scene"} <= set(metrics)
    assert metrics["product_identical"] == 1
    results = finished.table("suite_results")
    scenes = results.filter(pl.col("metric") == "painted_scene")
    assert scenes.height == 25
    assert results["n"].min() >= 1
    text = finished.file("card").read_text()
    assert "minute.toml" in text
    assert text.count(".safetensors") == 4


def test_weights_are_half_precision_and_of_the_real_classes(finished):
    from safetensors import safe_open

    index = json.loads((finished.path / "checkpoint/shop/model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["unet"] == ["diffusers", "UNet2DConditionModel"]
    assert index["text_encoder"] == ["transformers", "CLIPTextModel"]
    files = sorted(finished.path.rglob("*.safetensors"))
    assert len(files) == 4
    for path in files:
        with safe_open(path, framework="numpy") as weights:
            kinds = {weights.get_slice(key).get_dtype() for key in weights.keys()}  # noqa: SIM118
        assert kinds == {"F16"}, path


def test_caig_generate_paints_with_it(finished, tmp_path, capsys):
    import cv2

    from reference_models.shop.drawings import draw_cutout
    from reference_models.shop.products import shop_products

    photos = tmp_path / "photos"
    photos.mkdir()
    product = draw_cutout(shop_products()[0], 64)
    cv2.imwrite(str(photos / "shoe.png"), cv2.cvtColor(product, cv2.COLOR_RGBA2BGRA))
    runs = str(tmp_path / "runs")
    assert run(["cut-out", str(photos), "--runs", runs]) == 0
    catalogue = capsys.readouterr().out.splitlines()[-1]
    words = ["generate", catalogue, "--prompt", "beach, night", "--runs", runs]
    words += ["--config", str(finished.path / "generate.toml")]
    for part, folder in (("base", "shop"), ("controlnet", "shop-canny")):
        words += ["--set", f"diffusion.{part}={finished.path / 'checkpoint' / folder}"]
    assert run(words) == 0
    painted = Run.open(tmp_path / "runs" / capsys.readouterr().out.splitlines()[-1].split("/")[-1])
    (row,) = painted.table("creatives").iter_rows(named=True)
    assert row["generator"] == "diffusion/shop"
    assert (row["width"], row["height"]) == (32, 32)
    assert np.std(cv2.imread(str(painted.path / row["image_path"]))) > 0
