"""``caig generate``: prompts of all kinds, the run it writes, and what a kill leaves behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from caig.cli import run as caig
from caig.config import load_config
from caig.generation.config import GenerationConfig
from caig.generation.generating import make_generator
from caig.generation.journal import JOURNAL, read_journal, remaining_batches
from caig.runs.store import Run

PLAIN = ("--generator", "plain_generator:PlainGenerator", "--set", "size=32")
ROOT = Path(__file__).resolve().parents[3]


def generate(catalogue, root, *arguments):
    """Exit code of ``caig generate`` on the catalogue."""
    return caig(["generate", str(catalogue.path), *arguments, "--runs", str(root)])


def only_run(root):
    (path,) = [p for p in root.iterdir() if (p / "manifest.json").is_file()]
    return Run.open(path)


def csv(folder, text):
    file = folder / "prompts.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_one_prompt_for_every_product(catalogue, tmp_path, capsys):
    assert generate(catalogue, tmp_path, "--prompt", " a  beach\n", *PLAIN) == 0
    run = only_run(tmp_path)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "3 ads of 3 products, painted by procedural/plain",
        str(run.path),
    ]
    prompts, creatives = run.table("prompts"), run.table("creatives")
    assert prompts["prompt"].to_list() == ["a beach"] * 3
    assert prompts["source"].unique().to_list() == ["command line"]
    assert creatives["sample_id"].to_list() == ["cup-0", "tea-0", "hat-0"]
    assert creatives["generator"].unique().to_list() == ["procedural/plain"]
    assert run.manifest.inputs["products"].run_id == catalogue.run_id
    assert run.manifest.seed == 42
    assert run.manifest.config["size"] == 32
    assert run.problems() == []
    assert run.file("sheet").stat().st_size > 1000
    assert not (run.path / JOURNAL).exists()
    assert f"caig generate {catalogue.path} --resume {run.path}" in printed.err


def test_prompts_of_a_file_for_all_products(catalogue, tmp_path):
    file = csv(tmp_path, "prompt\na beach\na desk\n")
    assert generate(catalogue, tmp_path / "runs", "--prompts", file, *PLAIN) == 0
    run = only_run(tmp_path / "runs")
    expected = ["cup-0", "cup-1", "tea-0", "tea-1", "hat-0", "hat-1"]
    assert run.table("creatives")["sample_id"].to_list() == expected
    assert [f.path for f in run.manifest.files] == [file]


def test_prompts_of_a_file_by_product(catalogue, tmp_path):
    file = csv(tmp_path, "product_id,prompt\nhat,a beach\ncup,a desk\nhat,a desk\n")
    assert generate(catalogue, tmp_path / "runs", "--prompts", file, *PLAIN) == 0
    creatives = only_run(tmp_path / "runs").table("creatives")
    assert creatives["sample_id"].to_list() == ["hat-0", "cup-0", "hat-1"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("words\na beach\n", ["'prompt': no such column"]),
        ("prompt\n", ["prompt: there is none"]),
        (
            "product_id,prompt\ncup,\nmug,a beach\n",
            ["prompt: is empty (1 row)", "product_id='mug'"],
        ),
        ("prompt_id,product_id,prompt\n1,cup,a\n1,cup,b\n", ["key repeats (1 row)"]),
    ],
)
def test_prompts_that_cannot_be_painted(catalogue, tmp_path, capsys, text, messages):
    file = csv(tmp_path, text)
    assert generate(catalogue, tmp_path / "runs", "--prompts", file, *PLAIN) == 2
    printed = capsys.readouterr().err
    assert [m for m in messages if m not in printed] == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to paint"),
        (("--prompt", "a", "--prompts", "b.csv"), "say what to paint"),
        (("--prompts", "none.csv"), "none.csv: no such file or run folder"),
        (("--prompt", "a", "--generator", "json:Nothing"), "'json:Nothing' cannot be imported"),
        (("--prompt", "a", "--generator", "dalle"), "'dalle' is neither diffusion, procedural nor"),
        (("--prompt", "a"), "name a base model"),
        (("--prompt", "a", "--set", "size=33"), "size: Input should be a multiple of 8"),
    ],
)
def test_usage_errors(catalogue, tmp_path, capsys, arguments, message):
    assert generate(catalogue, tmp_path, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_writes_nothing(catalogue, tmp_path, capsys):
    arguments = ("--prompt", "a beach", "--dry-run", "--set", "batch_size=2", *PLAIN)
    assert generate(catalogue, tmp_path / "runs", *arguments) == 0
    assert not (tmp_path / "runs").exists()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 pictures, painted by procedural/plain"
    assert "2 batches of" in lines[1]
    assert "weights: none" in lines[2]


def test_the_procedural_generator_says_so(catalogue, tmp_path):
    pytest.importorskip("skia")
    arguments = ("--prompt", "beach, daylight", "--generator", "procedural", "--set", "size=64")
    assert generate(catalogue, tmp_path, *arguments) == 0
    run = only_run(tmp_path)
    assert run.table("creatives")["generator"].str.starts_with("procedural").all()
    assert run.table("prompt_readings")["scene"].to_list() == ["beach"] * 3


def test_published_settings_load():
    config = load_config(GenerationConfig, ROOT / "configs" / "generation" / "paper.toml")
    assert (config.size, config.seed, config.fit) == (512, 42, 0.78)
    model = config.diffusion
    assert (model.steps, model.guidance, model.control_scale) == (30, 7.5, 1.0)
    load_config(GenerationConfig, ROOT / "configs" / "generation" / "tiny.toml")


# Cut off and resumed


def command(catalogue, root, *arguments):
    words = ["generate", str(catalogue.path), *arguments, "--runs", str(root)]
    script = f"import sys; from caig.cli import main; main({words!r})"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, "PLAIN_SECONDS": "0.02"}
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pictures(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("images/*/[!.]*")}


def same_run(one, other):
    assert_frame_equal(one.table("creatives"), other.table("creatives"))
    assert_frame_equal(one.table("prompts"), other.table("prompts"))
    assert pictures(one.path) == pictures(other.path)


@pytest.mark.slow
def test_killed_at_any_moment_no_picture_is_lost_or_made_twice(catalogue, tmp_path):
    lines = [f"{name},{name} prompt {n}" for n in range(12) for name in ("cup", "tea", "hat")]
    file = csv(tmp_path, "product_id,prompt\n" + "\n".join(lines) + "\n")
    arguments = ("--prompts", file, *PLAIN, "--set", "batch_size=2")
    assert generate(catalogue, tmp_path / "whole", *arguments) == 0
    whole = only_run(tmp_path / "whole")

    rng = random.Random(4)
    root = tmp_path / "killed"
    root.mkdir()
    latest, kills = None, 0
    for _ in range(12):
        resume = ("--resume", str(latest)) if latest else arguments
        process = command(catalogue, root, *resume)
        before = set(root.iterdir())
        while process.poll() is None and not (set(root.iterdir()) - before):
            time.sleep(0.01)
        time.sleep(rng.uniform(0.05, 0.5))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        new = sorted(set(root.iterdir()) - before)
        if new and (new[0] / "manifest.json").is_file():
            break  # complete, whether it was killed after that or not
        assert process.returncode == -signal.SIGKILL, errors
        kills += 1
        # One that was killed before it had written what resuming needs is begun again.
        if new and (new[0] / "source.json").is_file():
            latest = new[0]
    else:
        assert (
            caig(["generate", str(catalogue.path), "--resume", str(latest), "--runs", str(root)])
            == 0
        )
    assert kills >= 3
    same_run(whole, only_run(root))


def cut_off(catalogue, root, monkeypatch, *, after):
    """A run that failed after some batches of two; its folder."""
    import plain_generator

    real = plain_generator.PlainGenerator.generate

    def failing(self, prompts, products, out):
        if len(self.batches) == after:
            raise KeyboardInterrupt
        return real(self, prompts, products, out)

    file = csv(root, "prompt\na beach\na desk\nsnow\n")
    with monkeypatch.context() as patched:
        patched.setattr(plain_generator.PlainGenerator, "generate", failing)
        arguments = ("--prompts", file, "--set", "batch_size=2", *PLAIN)
        assert generate(catalogue, root / "runs", *arguments) == 130
    (folder,) = (root / "runs").iterdir()
    return folder


def test_a_resumed_run_paints_the_rest_only(catalogue, tmp_path, monkeypatch):
    import plain_generator

    folder = cut_off(catalogue, tmp_path, monkeypatch, after=2)
    with (folder / JOURNAL).open("a") as journal:
        journal.write('[{"creative_id": "torn')  # a kill while a line was written
    assert read_journal(folder).height == 4
    made = []
    real = plain_generator.PlainGenerator.generate
    monkeypatch.setattr(
        plain_generator.PlainGenerator,
        "generate",
        lambda self, prompts, *rest: (
            made.append(prompts["prompt_id"].to_list()) or real(self, prompts, *rest)
        ),
    )
    assert generate(catalogue, tmp_path / "runs", "--resume", str(folder)) == 0
    assert made == [["tea-1", "tea-2"], ["hat-0", "hat-1"], ["hat-2"]]
    run = only_run(tmp_path / "runs")
    assert run.table("creatives").height == 9
    assert generate(catalogue, tmp_path / "again", "--resume", str(run.path)) == 0
    assert len(made) == 3  # all was there
    same_run(run, only_run(tmp_path / "again"))


def test_what_cannot_be_resumed(catalogue, tmp_path, monkeypatch, capsys):
    folder = cut_off(catalogue, tmp_path, monkeypatch, after=1)
    resume = ("--resume", str(folder))
    cases = [
        ((*resume, "--set", "size=64"), "a resumed run keeps its configuration"),
        ((*resume, "--prompt", "other"), "--resume takes prompts and configuration"),
        (("--resume", str(catalogue.path)), "no run of caig generate"),
    ]
    for arguments, message in cases:
        assert generate(catalogue, tmp_path / "runs", *arguments) == 2
        assert message in capsys.readouterr().err
    (folder / "source.json").write_text('{"run_id": "other", "manifest_sha256": "0"}')
    assert generate(catalogue, tmp_path / "runs", *resume) == 2
    assert "was made of other, not of" in capsys.readouterr().err


def test_batches_begin_where_they_would_have(catalogue):
    prompts = pl.DataFrame({"prompt_id": list("abcde")})
    done = pl.DataFrame({"sample_id": ["a", "b", "d"]})
    left = [batch["prompt_id"].to_list() for batch in remaining_batches(prompts, done, 2)]
    assert left == [["c", "d"], ["e"]]


def test_own_generators_go_by_module_and_class():
    config = GenerationConfig(generator="plain_generator:PlainGenerator")
    assert make_generator(config).name == "procedural/plain"
