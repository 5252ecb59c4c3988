"""The embedded model, made from nothing: tokenizer, processor, and a very small LLaVA.

The classes are the real ones (Llama, LlavaForConditionalGeneration), so what is written for this
model runs with a checkpoint of 7B: only sizes differ. The tower alone is not CLIP's but SegFormer's
(Xie et al. 2021): its patches overlap and are made by convolutions in stages, which a tower that
has minutes and some thousand pictures to learn from needs; at the same cost CLIP's one layer of
patches of 16 px reads palettes and places worse (docs/pretraining.md). It knows nothing when it is
built; caig/mllm/pretrain.py teaches it.
"""

from collections.abc import Iterable
from typing import Any

from caig.errors import DataError
from caig.mllm.config import TinyConfig
from caig.mllm.load import Mllm

PAD, END, IMAGE = "<pad>", "</s>", "<image>"

STRIDES = (4, 2, 2)
"""Of the tower's stages."""

PATCH = 16
"""Side of what becomes one image token (px): the strides together."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'USER:' if message['role'] == 'user' else ' ASSISTANT:' }}"
    "{% if message['content'] is string %}{{ ' ' + message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ ' <image>' }}{% endif %}"
    "{% if part['type'] == 'text' %}{{ ' ' + part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
"""User and assistant take turns; an answer ends with the end token, and nothing else does."""


def build_tiny(texts: Iterable[str], config: TinyConfig, *, seed: int) -> Mllm:
    """Build the model with random weights and a vocabulary of its own.

    Args:
        texts: What the vocabulary is made of; each text as often as it will be read.
        config: Sizes.
        seed: Seed of the weights.

    Raises:
        DataError: There is no text.
    """
    import torch

    tokenizer = _build_tokenizer(texts, config.vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build_model(tokenizer, config)
    return Mllm(model.eval(), _build_processor(tokenizer, config))


def _build_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    texts = list(texts)
    if not any(text.strip() for text in texts):
        raise DataError("no text to make a vocabulary of")
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # As they stand in the chat template, whose words every prompt has. A leading space: answers and
    # phrases are read after one, and a word must be the same token at the beginning of an answer
    # and within it.
    core.train_from_iterator([f"USER: {text} ASSISTANT:" for text in texts], trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens={"image_token": IMAGE},
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )


def _build_processor(tokenizer: Any, config: TinyConfig) -> Any:
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    side = {"height": config.image_size, "width": config.image_size}
    return LlavaProcessor(  # type: ignore[no-untyped-call]
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side, do_center_crop=False),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )


def _build_model(tokenizer: Any, config: TinyConfig) -> Any:
    from torch import nn
    from transformers import (
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        SegformerConfig,
    )

    width = config.width
    vision = SegformerConfig(
        num_encoder_blocks=3,
        depths=(0, 1, config.vision_layers),
        strides=STRIDES,
        patch_sizes=(7, 3, 3),
        hidden_sizes=(width // 24 * 8, width // 12 * 8, width),
        num_attention_heads=(1, 2, config.heads),
        sr_ratios=(4, 2, 1),
        mlp_ratios=(2, 2, 4),
        drop_path_rate=0.0,
        reshape_last_stage=False,
    )
    vision.hidden_size = width  # what LLaVA asks a tower for
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=-(-8 * config.width // 3) // 8 * 8,
        num_hidden_layers=config.text_layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
            image_seq_length=(config.image_size // PATCH) ** 2,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
            tie_word_embeddings=True,
        )
    )
    for module in model.model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            # The library's spread is made for great widths; so narrow a model would be mute.
            fan_in = width if isinstance(module, nn.Embedding) else module.weight[0].numel()
            nn.init.normal_(module.weight, std=fan_in**-0.5)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id
    )
    return model
