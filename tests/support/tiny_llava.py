"""Multimodal models of a few thousand weights, on disk: real LLaVAs with real processors.

Their weights are set, not trained. One gives the same reply to everything: whatever it has read, it
writes one token and ends. So a server of it can be told from a broken one, and its verdict is
known. The other says yes or no in one of four spellings, by picture and question, with chances of
its own.
"""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

PATCH, SIDE = 8, 32
SPECIAL = ("<pad>", "<s>", "</s>", "<image>")

TEMPLATE = """\
{% for message in messages %}{{ message['role'] }}: \
{% if message['content'] is string %}{{ message['content'] }}{% else %}\
{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}\
{% else %}<image>{% endif %}{% endfor %}{% endif %}
{% endfor %}assistant:"""


SPELLINGS = ("Yes", "yes", "No", "no")


def save_tiny_llava(folder, reply):
    """Write a model into ``folder``; ``reply`` is all it ever says."""

    def set_weights(model, said):
        # One direction of the residual stream says "reply", another says "end"; every token but
        # the reply points along the first, the reply along the second.
        words, out = model.get_input_embeddings().weight, model.lm_head.weight
        words[:, :2] = torch.tensor([100.0, 0.0])
        words[said[0], :2] = torch.tensor([0.0, 100.0])
        out[said[0], 0] = out[2, 1] = 100.0

    _save(folder, [reply], set_weights)


def save_yes_no_llava(folder, *, spellings=SPELLINGS):
    """Write a model into ``folder`` that would begin every answer with one of ``spellings``."""

    def set_weights(model, said):
        words, out = model.get_input_embeddings().weight, model.lm_head.weight
        for name, weight in model.named_parameters():
            if "_proj.weight" in name or "projector" in name:
                weight.mul_(12)  # pictures and words must weigh in what it says
        words[:, 0] = 4.0
        out[:, 0] = 0.0
        out[said] *= 20
        out[said, 0] = 6.0

    _save(folder, list(spellings), set_weights)


def _save(folder, replies, set_weights):
    torch.manual_seed(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
    )
    fast.add_tokens(replies)
    said = fast.convert_tokens_to_ids(replies)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            vocab_size=len(fast),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=4096,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=False,
        ),
        image_token_index=3,
        image_seq_length=(SIDE // PATCH) ** 2,
    )
    model = LlavaForConditionalGeneration(config).eval()
    with torch.no_grad():
        set_weights(model, said)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    pictures = CLIPImageProcessorPil(size=size, crop_size=size)
    LlavaProcessor(
        image_processor=pictures,
        tokenizer=fast,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
