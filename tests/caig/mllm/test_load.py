"""Checkpoints: bit-exact round trips through the Auto classes, and what is refused."""

import json

import pytest
import torch
from coloured_shop import SMALL
from transformers import AutoModelForImageTextToText, AutoProcessor

from caig.errors import ArtifactError, DataError
from caig.mllm.answer import first_tokens
from caig.mllm.config import ModelConfig
from caig.mllm.encode import encode_prompts
from caig.mllm.load import dtype_of, load_mllm, save_mllm
from caig.mllm.tasks import ask_background, ask_place
from caig.mllm.tiny import build_tiny


def test_the_auto_classes_read_back_the_same_bits(tiny, corpus, tmp_path):
    save_mllm(tiny, tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    read = load_mllm(ModelConfig(base=str(tmp_path)))
    for other in (model, read.model):
        weights, others = tiny.model.state_dict(), other.state_dict()
        assert weights.keys() == others.keys()
        assert all(torch.equal(weights[name], others[name]) for name in weights)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert type(processor.image_processor).__name__ == "CLIPImageProcessorPil"
    questions = [ask_place(corpus.ads[0]), ask_background(corpus.items[1])]
    batch, again = (encode_prompts(m, questions) for m in (tiny, read))
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    with torch.inference_mode():
        assert torch.equal(tiny.model(**batch).logits, read.model(**again).logits)
    assert not list(tmp_path.glob("*.bin"))


def test_the_seed_makes_the_weights_and_nothing_else_does(corpus):
    texts = [ad.caption for ad in corpus.ads]
    before = torch.random.get_rng_state()
    first, same, other = (build_tiny(texts, SMALL, seed=seed).model for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_head_and_embedding_are_one(tiny):
    assert tiny.model.lm_head.weight is tiny.model.get_input_embeddings().weight


def test_places_begin_with_tokens_of_their_own(tiny, corpus):
    tokens = first_tokens(tiny, corpus.places)
    assert len(set(tokens)) == len(corpus.places)
    assert [tiny.tokenizer.decode([t]).strip() for t in tokens] == list(corpus.places)


def test_any_text_can_be_said(tiny):
    text = " naïve 商品 \t \x00"
    assert tiny.tokenizer.decode(tiny.tokenizer(text)["input_ids"]) == text


def test_no_text_makes_no_vocabulary():
    with pytest.raises(DataError, match="no text"):
        build_tiny(["", " "], SMALL, seed=0)


def test_pickled_weights_are_refused_without_reading_them(tiny, tmp_path):
    save_mllm(tiny, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(ArtifactError, match=r"pickled \(pytorch_model.bin\).*safetensors"):
        load_mllm(ModelConfig(base=str(tmp_path)))


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"no model.safetensors"):
        load_mllm(ModelConfig(base=str(tmp_path)))


def test_code_that_a_checkpoint_brings_is_not_run(tiny, tmp_path):
    save_mllm(tiny, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "model_type": "foreign",
        "auto_map": {
            "AutoConfig": "foreign.Config",
            "AutoModelForImageTextToText": "foreign.Model",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "foreign.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_mllm(ModelConfig(base=str(tmp_path)))
    assert not (tmp_path / "ran").exists()


def test_a_text_model_is_refused(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    LlamaForCausalLM(shape).save_pretrained(tmp_path)
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_mllm(ModelConfig(base=str(tmp_path)))


def test_types_by_machine():
    assert dtype_of(ModelConfig(device="cpu")) == torch.float32
    assert dtype_of(ModelConfig(device="cuda")) == torch.bfloat16
    assert dtype_of(ModelConfig(device="cpu", dtype="float16")) == torch.float16
