"""Configuration of ``caig sample`` and ``caig align``. Loads no torch.

Values of the published code are defaults where they are known (arXiv 2502.06823 and its code):
beta 0.5 for both losses, weight 1, three quarters of patches of 32 px, two samples a product at
temperature 1. What is ours is off by default and named in docs/preference.md.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from caig.config import Config
from caig.generation.config import GenerationConfig

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Corruption = Literal["either", "mask", "swap", "both", "released"]


class RuntimeConfig(Config):
    """How the prompt model runs."""

    dtype: Dtype = "auto"
    """Type of the weights; auto is float32 on a CPU, where others are slow, bfloat16 on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU if there is one."""
    trust_remote_code: bool = False
    """Run Python code that the checkpoint brings along. Only for checkpoints you have read."""


class AdoptConfig(Config):
    """What the run that holds a checkpoint made elsewhere is about."""

    source: str
    """Name or folder it came from."""
    picture_side: int | None = None
    """Pictures are shrunk to this longer side before it sees them (px); unset keeps their size."""
    files: dict[str, str]
    """SHA-256 of its files."""


class SamplingConfig(Config):
    """How prompts are sampled."""

    per_product: int = Field(default=2, ge=1)
    """Prompts a product, all from the same instruction."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the sampling."""
    max_new_tokens: int = Field(default=512, ge=1)
    """Longest prompt (tokens)."""
    batch_size: int = Field(default=32, ge=1)
    """Prompts sampled at once; no sample depends on what else is in its batch, rounding apart."""
    states_category: bool = True
    """Instructions state the product's category beside its title."""
    picture_side: int | None = Field(default=None, ge=16)
    """Pictures are shrunk to this longer side (px); unset is what the prompt model was trained
    with."""
    backend: Literal["transformers", "vllm"] = "transformers"
    """What samples: transformers on any machine, or vLLM on GPUs (to be installed)."""


class SampleConfig(Config):
    """Sampling of background prompts: ``caig sample``."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of instructions and samples."""
    split: Literal["train", "val", "test", "all"] = "train"
    """Products that prompts are written for."""
    products: int = Field(default=0, ge=0)
    """The next so many of them in an order drawn by the seed; 0 is all."""
    skip: int = Field(default=0, ge=0)
    """Products before the first one; behind the last one the first follows."""
    round: int = Field(default=0, ge=0)
    """Each round samples anew, for the same products with the same instructions."""
    sampling: SamplingConfig = SamplingConfig()
    """How."""
    runtime: RuntimeConfig = RuntimeConfig()
    """How the prompt model runs."""


class PairsConfig(Config):
    """Which pairs of samples are trained on."""

    swap_agreement: bool = True
    """Leave out pairs whose order depends on the side that an ad is shown on."""
    min_confidence: float = Field(default=0.5, ge=0.5, lt=1)
    """Leave out pairs whose winner has a lower probability; 0.5 keeps all, as published."""
    validity: Literal["ignore", "prefer"] = "ignore"
    """What a text that is not valid means (see docs/preference.md): nothing, as published, so that
    it wins where its ad does; "prefer": a valid text beats it whatever the judge says, and a pair
    of two such texts is left out (ours)."""


class LossConfig(Config):
    """What is minimised; see docs/preference.md."""

    dpo_weight: float = Field(default=1.0, ge=0)
    """Weight of DPO's loss; with 0, no product-centric loss and an anchor, the winners alone are
    imitated, which is CG4CTR's self-cycling."""
    beta: float = Field(default=0.5, gt=0)
    """Scale of the log-ratios in DPO's loss."""
    pcpo_weight: float = Field(default=1.0, ge=0)
    """Weight of the product-centric loss; 0 is DPO, and then no third row is computed."""
    pcpo_beta: float = Field(default=0.5, gt=0)
    """Scale of the log-ratios in the product-centric loss."""
    anchor: float = Field(default=0.0, ge=0)
    """Weight of the negative log-likelihood of the chosen prompt, per token (ours)."""
    drift: float = Field(default=0.0, ge=0)
    """Weight of the squared log-ratio of the chosen and the rejected prompt, which keeps the
    policy near the reference where the pairs say nothing (ours)."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of pairs that are assumed to be labelled the wrong way round (ours)."""
    confidence: Literal["none", "target", "weight"] = "none"
    """What the reward model's probability p does: nothing, as published; "target": a label of p
    for 1; "weight": a pair counts 2 p - 1 (ours)."""

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not (self.dpo_weight or self.pcpo_weight or self.anchor):
            raise ValueError("dpo_weight, pcpo_weight and anchor are all 0: nothing is learnt")
        return self


class CorruptionConfig(Config):
    """How product information is corrupted for the product-centric loss."""

    kind: Corruption = "either"
    """"mask": patches of the picture; "swap": the instruction of another product; "either": one of
    the two by a coin; "both": both at once. All keep the chosen prompt, as the formula has it.
    "released": as "either", but a swap takes the other product's chosen prompt too, as the
    published code does."""
    patch: int = Field(default=32, ge=1)
    """Side of the patches (px of the picture as it is read)."""
    share: float = Field(default=0.75, gt=0, le=1)
    """Share of the patches that are blackened."""


class OptimConfig(Config):
    """How it is minimised."""

    learning_rate: float = Field(default=2e-5, gt=0)
    """Peak rate of AdamW, without weight decay; a cosine to 0."""
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps that warm up."""
    batch_size: int = Field(default=1, ge=1)
    """Pairs of one forward pass, on each device."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes of one step."""
    passes: int = Field(default=1, ge=1)
    """Passes over an epoch's pairs."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are shortened to this."""
    lora_rank: int = Field(default=0, ge=0)
    """Rank of LoRA on the linear layers of the language model, merged after every epoch; 0 trains
    all its weights. Vision tower and projector stay as they are in any case."""
    lora_alpha: int = Field(default=0, ge=0)
    """Scale of LoRA; 0 is twice the rank."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints, from which a killed run goes on."""


class TuneConfig(Config):
    """One epoch of preference optimisation."""

    loss: LossConfig = LossConfig()
    """What is minimised."""
    corruption: CorruptionConfig = CorruptionConfig()
    """How product information is corrupted."""
    optim: OptimConfig = OptimConfig()
    """How it is minimised."""


class TuneRunConfig(TuneConfig):
    """What the run of one epoch's training is made with."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of corruptions and training."""
    epoch: int = Field(ge=1)
    """Epoch of the prompt model that comes out."""
    picture_side: int | None = None
    """Pictures are shrunk to this longer side (px)."""
    runtime: RuntimeConfig = RuntimeConfig()
    """How the prompt model runs."""


class CompareConfig(Config):
    """What the run of one comparison is made with."""

    scorer: str
    """The judge."""
    scorer_options: tuple[str, ...] = ()
    """Settings of a judge behind an API."""
    pairs: PairsConfig = PairsConfig()
    """Which pairs are trained on."""


class MeasureConfig(Config):
    """What the run of one epoch's figures is made with."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the instructions."""
    scorer: str
    """The judge."""
    scorer_options: tuple[str, ...] = ()
    """Settings of a judge behind an API."""
    sampling: SamplingConfig = SamplingConfig()
    """How prompts were sampled."""
    runtime: RuntimeConfig = RuntimeConfig()
    """How the prompt model runs."""


class StopConfig(Config):
    """When alignment ends early; the epoch before is then the result."""

    min_valid: float = Field(default=0.9, ge=0, le=1)
    """Least share of valid prompts, as a multiple of the start's; 0 never stops."""
    min_matching: float = Field(default=0.8, ge=0)
    """Least matching, as a multiple of the start's; 0 never stops. It is known only where the
    data tell which places suit."""


class HeldoutConfig(Config):
    """Figures of every epoch on products that are not trained on."""

    split: Literal["val", "test"] = "val"
    """Which products."""
    products: int = Field(default=0, ge=0)
    """How many of them, in an order drawn by the seed; 0 is all."""


class AlignConfig(TuneConfig):
    """The whole loop: ``caig align``."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of products, instructions, samples, corruptions and training."""
    epochs: int = Field(default=5, ge=1)
    """Times of sample, generate, compare and train."""
    products: int = Field(default=0, ge=0)
    """Products an epoch: the next so many, around and around; 0 is all of split train."""
    scorer: str = ""
    """The judge, as ``caig score`` takes it: ``run:ID`` of a reward model, ``ref:NAME[:ID]``,
    ``module:Class``; must be given."""
    scorer_options: tuple[str, ...] = ()
    """Settings of a judge behind an API, each ``key=value``."""
    truth: str = ""
    """``module:function`` that knows true CTRs, for figures alone; unset: the shop world's, where
    the data are of it."""
    sampling: SamplingConfig = SamplingConfig()
    """How prompts are sampled."""
    runtime: RuntimeConfig = RuntimeConfig()
    """How the prompt model runs."""
    generation: GenerationConfig = GenerationConfig()
    """How ads are painted."""
    pairs: PairsConfig = PairsConfig()
    """Which pairs are trained on."""
    heldout: HeldoutConfig = HeldoutConfig()
    """Figures of every epoch."""
    stop: StopConfig = StopConfig()
    """When it ends early."""

    @model_validator(mode="after")
    def _two_samples(self) -> Self:
        if self.sampling.per_product != 2:
            raise ValueError("sampling.per_product: a pair is of two prompts; leave it at 2")
        return self
