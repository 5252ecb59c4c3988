"""A multimodal model for llama.cpp, of random weights, written within a second: words and eyes.

Its weights are set so far that nearly all probability of the first token lies on Yes, yes, No and
no, and that which of them depends on question and picture. It knows nothing.
"""

import gguf
import numpy as np

WORDS = ("Yes", "yes", "No", "no")
SPECIAL = ("<pad>", "<s>", "</s>")
WIDTH, HEADS, HIDDEN = 64, 2, 64
EYE_WIDTH, EYE_HEADS, EYE_HIDDEN, SIDE, PATCH, EYE_LAYERS = 32, 2, 64, 28, 14, 2

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n"
    "{% endfor %}assistant:"
)


def save_tiny_gguf(folder):
    """Write words.gguf and eyes.gguf into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "words.gguf", "llama", _words)
    _write(folder / "eyes.gguf", "clip", _eyes)


def _write(path, architecture, describe):
    writer = gguf.GGUFWriter(path, architecture)
    rng = np.random.default_rng(0)

    def add(name, values):
        writer.add_tensor(name, np.asarray(values, np.float32))

    def drawn(name, *shape, scale=0.3):
        add(name, scale * rng.standard_normal(shape))

    describe(writer, add, drawn, rng)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _words(writer, add, drawn, rng):
    tokens = [*SPECIAL, *sorted(_byte_signs()), *WORDS]
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    control, user, normal = gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED, 1
    types = [control] * len(SPECIAL) + [normal] * 256 + [user] * len(WORDS)
    writer.add_token_types(types)
    writer.add_token_merges(["\N{LATIN CAPITAL LETTER G WITH DOT ABOVE} t"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)
    # One direction is the same in every token and says "yes or no".
    words = 0.5 * rng.standard_normal((len(tokens), WIDTH))
    words[:, 0] = 20.0
    out = 0.05 * rng.standard_normal((len(tokens), WIDTH))
    out[-len(WORDS) :] *= 8
    out[:, 0] = 0.0
    out[-len(WORDS) :, 0] = 3.0
    add("token_embd.weight", words)
    add("output.weight", out)
    add("output_norm.weight", np.ones(WIDTH))
    for norm in ("attn_norm", "ffn_norm"):
        add(f"blk.0.{norm}.weight", np.ones(WIDTH))
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        drawn(f"blk.0.{part}.weight", WIDTH, WIDTH, scale=0.15)
    drawn("blk.0.ffn_gate.weight", HIDDEN, WIDTH)
    drawn("blk.0.ffn_up.weight", HIDDEN, WIDTH)
    drawn("blk.0.ffn_down.weight", WIDTH, HIDDEN, scale=0.1)


def _eyes(writer, add, drawn, rng):
    writer.add_bool("clip.has_text_encoder", val=False)
    writer.add_bool("clip.has_vision_encoder", val=True)
    writer.add_bool("clip.has_llava_projector", val=True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", val=False)
    for name, value in {
        "image_size": SIDE,
        "patch_size": PATCH,
        "embedding_length": EYE_WIDTH,
        "feed_forward_length": EYE_HIDDEN,
        "projection_dim": WIDTH,
        "attention.head_count": EYE_HEADS,
        "block_count": EYE_LAYERS,
    }.items():
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.25, 0.25, 0.25])
    writer.add_file_type(0)
    drawn("v.class_embd", EYE_WIDTH)
    drawn("v.patch_embd.weight", EYE_WIDTH, 3, PATCH, PATCH, scale=0.1)
    drawn("v.position_embd.weight", (SIDE // PATCH) ** 2 + 1, EYE_WIDTH)

    def norm(name):
        add(f"{name}.weight", np.ones(EYE_WIDTH))
        add(f"{name}.bias", np.zeros(EYE_WIDTH))

    def linear(name, wide, narrow):
        drawn(f"{name}.weight", wide, narrow)
        add(f"{name}.bias", np.zeros(wide))

    norm("v.pre_ln")
    for layer in range(EYE_LAYERS):
        at = f"v.blk.{layer}"
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            linear(f"{at}.{part}", EYE_WIDTH, EYE_WIDTH)
        norm(f"{at}.ln1")
        norm(f"{at}.ln2")
        linear(f"{at}.ffn_up", EYE_HIDDEN, EYE_WIDTH)
        linear(f"{at}.ffn_down", EYE_WIDTH, EYE_HIDDEN)
    linear("mm.0", WIDTH, EYE_WIDTH)
    linear("mm.2", WIDTH, WIDTH)


def _byte_signs():
    """The sign that stands for each byte in a byte-level vocabulary, as GPT-2 has them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(rest))]
