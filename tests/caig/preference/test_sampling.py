"""Sampling: seeds, log-probabilities, batches, the run and its resumption, vLLM's stand-in."""

import sys
import types

import numpy as np
import polars as pl
import pytest
import torch
from plain_dpo import log_likelihood
from polars.testing import assert_frame_equal

from caig import cli
from caig.contracts.creatives import PRODUCTS
from caig.contracts.preferences import PROMPT_SAMPLES
from caig.errors import ArtifactError, DataError, PrerequisiteError
from caig.generation.generating import products_of
from caig.generation.prompts import read_prompts
from caig.mllm.pictures import load_picture
from caig.preference import sampling_run as module
from caig.preference.config import SampleConfig, SamplingConfig
from caig.preference.policy import open_policy
from caig.preference.questions import WORDINGS, ask, choose_products, clean_prompt
from caig.preference.sampling import VllmSampler, sample
from caig.preference.sampling_run import sample_run
from caig.runs.catalog import list_runs
from caig.runs.store import Run, RunWriter

CONFIG = SamplingConfig(max_new_tokens=12, batch_size=5)


def config(**changes):
    return SampleConfig.model_validate(
        {"sampling": {"max_new_tokens": 12, "batch_size": 2}, "split": "all", **changes}
    )


def test_a_sample_belongs_to_its_seed_and_not_to_its_batch(built, questions):
    examples = [question.example for question in questions]
    seeds = list(range(len(examples)))
    together = sample(built, examples, seeds, CONFIG, side=32)
    other = CONFIG.model_copy(update={"batch_size": 2})
    apart = sample(built, examples[::-1], seeds[::-1], other, side=32)[::-1]
    assert [one.text for one in together] == [one.text for one in apart]
    assert [one.logp for one in together] == pytest.approx([o.logp for o in apart], abs=1e-3)
    anew = sample(built, examples, [seed + 1000 for seed in seeds], CONFIG, side=32)
    assert [one.text for one in anew] != [one.text for one in together]


def test_the_log_probability_is_the_models_own(policy_run, questions):
    mllm = open_policy(policy_run).load(SampleConfig().runtime)
    examples = [question.example for question in questions] * 3
    found = sample(mllm, examples, list(range(len(examples))), CONFIG, side=32)
    checked = 0
    for question, one in zip([*questions] * 3, found, strict=True):
        answered = mllm.tokenizer(f" {one.text}</s>", add_special_tokens=False)["input_ids"]
        if one.ended and len(answered) == one.n_tokens:  # spelt as the tokenizer would spell it
            picture = load_picture(question.cutout, 32)
            with torch.no_grad():
                logp = float(log_likelihood(mllm, question.instruction, picture, one.text))
            assert logp == pytest.approx(one.logp, abs=1e-3)
            checked += 1
    assert checked > len(examples) / 2


def test_samples_are_drawn_from_the_distribution(built, questions):
    example = questions[0].example
    one_token = SamplingConfig(max_new_tokens=1, batch_size=100)
    found = sample(built, [example] * 1500, list(range(1500)), one_token, side=32)
    shares = {}
    for one in found:
        key = round(one.logp, 4)
        shares[key] = shares.get(key, 0) + 1 / len(found)
    # Tokens whose probability is p are drawn in a share of p; a random model has many.
    entropy = -np.mean([one.logp for one in found])
    assert len(shares) > 100
    logps = np.array([one.logp for one in found])
    # E[exp(-logp)] is the number of tokens that can be drawn.
    n_tokens = len(built.tokenizer)
    assert np.exp(-logps).mean() == pytest.approx(n_tokens, rel=0.1)
    assert 0 < entropy < np.log(n_tokens)


def test_temperature_sharpens(built, questions):
    examples = [question.example for question in questions] * 4
    seeds = list(range(len(examples)))
    cold = CONFIG.model_copy(update={"temperature": 0.05})
    n_hot = len({one.text for one in sample(built, examples, seeds, CONFIG, side=32)})
    n_cold = len({one.text for one in sample(built, examples, seeds, cold, side=32)})
    assert n_cold < n_hot


def test_the_run_holds_two_samples_a_product(policy_run, shop, tmp_path, capsys):
    words = ["sample", policy_run.run_id, shop.run_id, "--split", "all"]
    words += ["--set", "sampling.max_new_tokens=12", "--runs", str(shop.path.parent)]
    assert cli.run(words) == 0
    run = Run.open(list_runs(shop.path.parent, verb="sample")[0].path)
    assert capsys.readouterr().out.strip() == str(run.path)
    table = run.table("prompt_samples")
    products = shop.table("products")
    assert table["product_id"].value_counts()["count"].to_list() == [2] * products.height
    same = table.group_by("product_id").agg(pl.col("instruction").n_unique())
    assert same["instruction"].to_list() == [1] * products.height
    assert table["seed"].n_unique() == table.height
    assert table["epoch"].unique().to_list() == [0]
    assert table["policy_run"].unique().to_list() == [policy_run.run_id]
    assert table["logp_sum"].max() < 0
    assert run.manifest.metrics["ended"] == table["ended"].mean()
    assert set(run.manifest.inputs) == {"policy", "data"}
    assert not (run.path / "work").exists()
    prompts, _, inputs = read_prompts(products_of(shop), source=run.path)
    said = table.filter(pl.col("prompt_clean") != "")
    assert prompts["prompt_id"].to_list() == said["sample_id"].to_list()
    assert inputs["prompts"].run_id == run.run_id


def test_what_says_nothing_is_not_painted(shop, tmp_path):
    rows = [
        (f"mugs-0-{n}", "mugs-0", "run", 0, "ask", text, clean_prompt(text), -1.0, 2, True, 1.0, n)
        for n, text in enumerate(("beach", '."', " "))
    ]
    with RunWriter(tmp_path, "sample", config()) as run:
        table = pl.DataFrame(rows, schema=PROMPT_SAMPLES.schema, orient="row")
        run.write_table(PROMPT_SAMPLES, table)
    prompts, _, _ = read_prompts(products_of(shop), source=run.path)
    assert prompts["prompt_id"].to_list() == ["mugs-0-0"]


def test_rounds_sample_anew_and_windows_go_around(policy_run, shop, tmp_path):
    policy = open_policy(policy_run)

    def table(**changes):
        return Run.open(sample_run(policy, shop, config(**changes), runs=tmp_path)).table(
            "prompt_samples"
        )

    first, again, second = table(), table(), table(round=1)
    drop = ("policy_run",)
    assert_frame_equal(first.drop(drop), again.drop(drop))
    assert first["instruction"].to_list() == second["instruction"].to_list()
    assert first["prompt_text"].to_list() != second["prompt_text"].to_list()
    n = shop.table("products").height
    order = first["product_id"].unique(maintain_order=True).to_list()
    window = table(products=3, skip=n - 1)["product_id"].unique(maintain_order=True).to_list()
    assert window == [order[-1], order[0], order[1]]


def test_a_run_that_broke_off_goes_on_behind_its_last_part(policy_run, shop, tmp_path, monkeypatch):
    policy, settings = open_policy(policy_run), config()
    whole = Run.open(sample_run(policy, shop, settings, runs=tmp_path))
    asked = []

    def breaking(mllm, examples, *rest, **options):
        asked.append(len(examples))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return sample(mllm, examples, *rest, **options)

    monkeypatch.setattr(module, "sample", breaking)
    with pytest.raises(KeyboardInterrupt):
        sample_run(policy, shop, settings, runs=tmp_path)
    (broken,) = [e for e in list_runs(tmp_path, verb="sample") if e.status == "failed"]
    before, asked[:] = list(asked), [9, 9, 9]
    ended = Run.open(sample_run(policy, shop, settings, runs=tmp_path, resume=broken.path))
    assert_frame_equal(ended.table("prompt_samples"), whole.table("prompt_samples"))
    total = whole.table("prompt_samples").height
    assert sum(asked[3:]) == total - sum(before[:2])
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        sample_run(policy, shop, settings, runs=tmp_path)
    with pytest.raises(ArtifactError, match="config differ"):
        sample_run(policy, shop, config(seed=1), runs=tmp_path, resume=_newest_failed(tmp_path))


def _newest_failed(runs):
    (path,) = [
        entry.path
        for entry in list_runs(runs, verb="sample")
        if entry.status == "failed" and (entry.path / "work").is_dir()
    ]
    return path


def test_what_cannot_be_sampled_is_said(policy_run, shop, tmp_path):
    with pytest.raises(ArtifactError, match="holds no checkpoint/"):
        open_policy(shop)
    nobody = products_of(shop).filter(pl.col("split") == "none")
    assert ask(nobody, states_category=True, seed=0) == []
    with pytest.raises(DataError, match="no product of split"):
        sample_run(
            open_policy(policy_run), _without_cutouts(shop, tmp_path), config(), runs=tmp_path
        )


def _without_cutouts(shop, folder):
    with RunWriter(folder, "make-data", config()) as run:
        bare = shop.table("products").with_columns(cutout_path=pl.lit(None, pl.String))
        run.write_table(PRODUCTS, bare)
    return Run.open(run.path)


def test_a_wording_stays_with_its_product(shop):
    products = products_of(shop)
    told = ask(products, states_category=True, seed=0)
    untold = ask(products, states_category=False, seed=0)
    assert len({question.instruction.split()[0] for question in told}) > 1
    for question, bare in zip(told, untold, strict=True):
        assert "Category: " in question.instruction
        assert "Category" not in bare.instruction
        assert "{" not in question.instruction
        assert question.instruction.startswith(bare.instruction.split()[0])
    assert len(WORDINGS) >= 4
    few = choose_products(products, "train", 2, seed=3)
    assert few["split"].unique().to_list() == ["train"]
    assert (
        few["product_id"].to_list()
        == choose_products(products, "train", 0, seed=3)["product_id"].head(2).to_list()
    )


def test_cleaning_is_the_published_one():
    assert clean_prompt(' a "beach",\nnight. ') == "a beach, night"
    assert clean_prompt('."\n') == ""


def test_vllm_is_asked_for_where_it_is_missing(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(PrerequisiteError, match="pip install vllm"):
        VllmSampler("x", built.processor, trust_remote_code=False)


def test_vllm_is_asked_prompt_by_prompt_with_seed_and_picture(built, questions, monkeypatch):
    asked = []

    class LLM:
        def __init__(self, model, trust_remote_code):
            assert (model, trust_remote_code) == ("folder", False)

        def generate(self, prompts, parameters):
            asked.extend(zip(prompts, parameters, strict=True))
            one = types.SimpleNamespace(
                text=" beach ", cumulative_logprob=-2.5, token_ids=[1, 2], finish_reason="stop"
            )
            cut = types.SimpleNamespace(
                text="mea", cumulative_logprob=-1.5, token_ids=[3], finish_reason="length"
            )
            return [types.SimpleNamespace(outputs=[o]) for o in (one, cut)]

    stand_in = types.ModuleType("vllm")
    stand_in.LLM, stand_in.SamplingParams = LLM, lambda **values: values
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    sampler = VllmSampler("folder", built.processor, trust_remote_code=False)
    examples = [question.example for question in questions[:2]]
    found = sampler.sample(examples, [7, 8], CONFIG, side=16)
    assert [tuple(one) for one in found] == [("beach", -2.5, 2, True), ("mea", -1.5, 1, False)]
    assert [parameters["seed"] for _, parameters in asked] == [7, 8]
    assert asked[0][0]["prompt"].startswith("USER: <image> ")
    assert asked[0][0]["multi_modal_data"]["image"].size == (16, 16)
