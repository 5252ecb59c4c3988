"""The memory plan: its formula by hand, and the table in the documentation."""

from pathlib import Path

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from caig.mllm.memory import LLAVA_7B, Shape, memory_plan, memory_table

ROOT = Path(__file__).parents[3]


def test_plan_by_hand():
    shape = Shape(1000, 100, 2, 10, 30)
    whole = memory_plan(shape, gpus=2, tokens=5)
    assert whole == ((4000 + 200) / 2, 2000, 4000, 5 * (2 * 10 * 2 + 34 * 10))
    assert whole.total == 2100 + 2000 + 4000 + 1900
    adapted = memory_plan(shape, gpus=1, tokens=0, lora_rank=1)
    assert adapted.optimizer == 8 * 2 * (4 * 20 + 3 * 40)
    assert adapted.weights == 4 * 400 + 2 * 1100


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # peft's
@pytest.mark.filterwarnings("ignore:You have passed exclude_modules:UserWarning")  # no tower here
def test_weights_of_adapters_are_as_many_as_peft_makes():
    from peft import get_peft_model

    from caig.mllm.trl_parts import lora_config

    shape = Shape(0, 0, 3, 16, 40)
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=16,
        intermediate_size=40,
        num_hidden_layers=3,
        num_attention_heads=2,
    )
    adapted = get_peft_model(LlamaForCausalLM(config), lora_config(4, 8))
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert trained == shape.lora_weights(4)


def test_weights_of_the_7b_model():
    layer = 4 * 4096**2 + 3 * 4096 * 11_008 + 2 * 4096
    assert LLAVA_7B.language_weights == 32 * layer + 2 * 32_000 * 4096 + 4096


def test_the_page_has_the_table():
    assert memory_table() in (ROOT / "docs" / "pretraining.md").read_text()
