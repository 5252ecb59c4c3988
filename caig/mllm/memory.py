"""Memory that training a multimodal model takes on each GPU: a plan by formula, not measured.

Per weight that is trained, in mixed precision with AdamW, sharded over G GPUs (FSDP2, or ZeRO stage
3; Rajbhandari et al. 2020): 4 bytes of weight, 4 of gradient, 8 of the optimizer's two moments,
each divided by G. A weight that is not trained takes 2. Activations with every layer recomputed
(Chen et al. 2016): the input of each layer, 2 bytes a number; within the layer at hand 34 bytes a
token and unit of width, with attention that keeps no matrix (Korthikanti et al. 2022). Gathered
layers, the vocabulary's logits of answers, and what the allocator loses are left out.
"""

from typing import NamedTuple

GIB = 2**30


class Shape(NamedTuple):
    """What memory depends on.

    Attributes:
        language_weights: Weights of the language model with its embeddings (count).
        other_weights: Weights of the vision tower and the projector (count).
        layers: Layers of the language model.
        width: Its width.
        feed_forward: Width of its feed-forward layers.
    """

    language_weights: int
    other_weights: int
    layers: int
    width: int
    feed_forward: int

    def lora_weights(self, rank: int) -> int:
        """Weights of LoRA on the linear layers of the language model (count)."""
        attention = 4 * (self.width + self.width)
        feed_forward = 3 * (self.width + self.feed_forward)
        return rank * self.layers * (attention + feed_forward)


LLAVA_7B = Shape(6_738_415_616, 325_000_000, 32, 4096, 11_008)
"""LLaVA-1.6 on Vicuna-7B with CLIP ViT-L/14-336."""


class Memory(NamedTuple):
    """Memory on each GPU (bytes).

    Attributes:
        weights: Of all weights.
        gradients: Of those that are trained.
        optimizer: Both moments of those.
        activations: Of one forward pass.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All together."""
        return sum(self)


def memory_plan(shape: Shape, *, gpus: int, tokens: int, lora_rank: int = 0) -> Memory:
    """Memory on each GPU.

    Args:
        shape: The model; its tower is not trained.
        gpus: GPUs that weights, gradients and optimizer are sharded over.
        tokens: Tokens of a forward pass on one GPU: batch times length.
        lora_rank: Rank of LoRA; 0 trains the whole language model.
    """
    trained = shape.lora_weights(lora_rank) if lora_rank else shape.language_weights
    frozen = shape.other_weights + (shape.language_weights if lora_rank else 0)
    kept = 2 * shape.width * shape.layers * tokens
    at_hand = 34 * shape.width * tokens
    return Memory(
        (4 * trained + 2 * frozen) / gpus, 4 * trained / gpus, 8 * trained / gpus, kept + at_hand
    )


def memory_table(gpus: tuple[int, ...] = (1, 2, 4, 8), *, tokens: int = 12_000) -> str:
    """The plan of LLaVA-1.6-7B as a table in Markdown (GiB on each GPU)."""
    lines = [
        "| trained | GPUs | weights | gradients | optimizer | activations | together |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for rank, name in ((0, "language model"), (128, "LoRA, rank 128")):
        for n in gpus:
            found = memory_plan(LLAVA_7B, gpus=n, tokens=tokens, lora_rank=rank)
            cells = " | ".join(f"{part / GIB:.1f}" for part in (*found, found.total))
            lines.append(f"| {name} | {n} | {cells} |")
    return "\n".join(lines)
