"""Sampling prompts, each from a seed of its own, with the log-probability of what was sampled.

A sample is the largest of log-probability plus Gumbel noise, token by token, which is a draw from
the distribution (Maddison et al. 2014, arXiv 1411.0030). The noise belongs to the sample, not to
its batch: a run that goes on, or another batch size, samples the same texts, and policies of
different epochs can be compared under the same noise.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from caig.contracts.preferences import PROMPT_SAMPLES
from caig.contracts.table import check
from caig.errors import PrerequisiteError
from caig.mllm.answer import end_tokens
from caig.mllm.encode import encode_prompts, special_marks, to_messages
from caig.mllm.examples import Example
from caig.mllm.load import Mllm
from caig.mllm.pictures import load_picture
from caig.preference.config import SamplingConfig
from caig.preference.corruptions import seed_of
from caig.preference.questions import Question, clean_prompt


class Sample(NamedTuple):
    """One sampled answer.

    Attributes:
        text: As sampled; special tokens, and white space at its ends, apart.
        logp: Log-probability of its tokens, the end token too (nats).
        n_tokens: Tokens, the end token too (count).
        ended: True if the model ended it itself.
    """

    text: str
    logp: float
    n_tokens: int
    ended: bool


def sample(
    mllm: Mllm,
    examples: Sequence[Example],
    seeds: Sequence[int],
    config: SamplingConfig,
    *,
    side: int | None,
) -> list[Sample]:
    """Sample one answer to each question.

    Args:
        mllm: Model.
        examples: Questions.
        seeds: A seed for each.
        config: Temperature, longest answer, batch size.
        side: Shrink pictures to this side (px).

    Returns:
        Answers in the order of the questions.
    """
    import torch

    found: list[Sample] = []
    ends = end_tokens(mllm)
    with torch.inference_mode():
        for start in range(0, len(examples), config.batch_size):
            rows = slice(start, start + config.batch_size)
            batch = encode_prompts(mllm, examples[rows], side=side)
            noise = _noise(seeds[rows], config.temperature)
            written = mllm.model.generate(
                **batch,
                max_new_tokens=config.max_new_tokens,
                pad_token_id=mllm.tokenizer.pad_token_id,
                do_sample=False,  # the noise is the sampling
                temperature=None,
                top_p=None,
                top_k=None,
                logits_processor=[noise],
            )
            tokens = written[:, batch["input_ids"].shape[1] :].tolist()
            logps = torch.stack(noise.logps, dim=1).tolist()
            for row, values in zip(tokens, logps, strict=True):
                stop = next((n for n, token in enumerate(row) if token in ends), None)
                n_tokens = len(row) if stop is None else stop + 1
                text = mllm.tokenizer.decode(row[:stop], skip_special_tokens=True).strip()
                logp = min(0.0, sum(values[:n_tokens]))
                found.append(Sample(text, logp, n_tokens, stop is not None))
    return found


def _noise(seeds: Sequence[int], temperature: float) -> Any:
    """A step of ``generate`` that makes its greedy choice a draw, and keeps what it chose."""
    import torch
    from transformers import LogitsProcessor

    class GumbelNoise(LogitsProcessor):
        def __init__(self) -> None:
            self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
            self.logps: list[torch.Tensor] = []

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            logp = torch.log_softmax(scores.float() / temperature, dim=-1)
            waits = torch.empty(scores.shape, dtype=torch.float32)
            for row, generator in zip(waits, self.generators, strict=True):
                row.exponential_(generator=generator)
            noisy = logp - waits.clamp_min(1e-30).log().to(logp.device)
            chosen = noisy.argmax(dim=-1, keepdim=True)
            self.logps.append(logp.gather(1, chosen).squeeze(1).double().cpu())
            return noisy

    return GumbelNoise()


class VllmSampler:
    """Sampling by vLLM, for models of billions of weights on GPUs.

    Its noise is its own: the same seeds give other samples than transformers, and do not promise
    the same ones on other hardware.

    Args:
        folder: Checkpoint.
        processor: Its processor, whose template is filled in.
        trust_remote_code: Run Python code that the checkpoint brings along.

    Raises:
        PrerequisiteError: vLLM is not installed.
    """

    def __init__(self, folder: str, processor: Any, *, trust_remote_code: bool) -> None:
        try:
            import vllm
        except ImportError:
            raise PrerequisiteError(
                "sampling by vLLM needs it installed: pip install vllm\nor set sampling.backend = "
                '"transformers"'
            ) from None
        self._vllm, self._processor = vllm, processor
        self._model = vllm.LLM(model=folder, trust_remote_code=trust_remote_code)

    def sample(
        self,
        examples: Sequence[Example],
        seeds: Sequence[int],
        config: SamplingConfig,
        *,
        side: int | None,
    ) -> list[Sample]:
        """As :func:`sample`."""
        from trl.data_utils import prepare_multimodal_messages

        marks = special_marks(self._processor)
        asked = []
        for example in examples:
            shown = [load_picture(example.image, side)] if example.image else []
            text = self._processor.apply_chat_template(
                prepare_multimodal_messages(to_messages(example, marks), images=shown),
                tokenize=False,
                add_generation_prompt=True,
            )
            pictures = {"multi_modal_data": {"image": shown[0]}} if shown else {}
            asked.append({"prompt": text, **pictures})
        parameters = [
            self._vllm.SamplingParams(
                temperature=config.temperature,
                top_p=1.0,
                max_tokens=config.max_new_tokens,
                seed=seed,
                logprobs=1,  # without any, no sum of them is kept
            )
            for seed in seeds
        ]
        answers = [done.outputs[0] for done in self._model.generate(asked, parameters)]
        return [
            Sample(
                one.text.strip(),
                min(0.0, float(one.cumulative_logprob)),
                len(one.token_ids),
                one.finish_reason == "stop",
            )
            for one in answers
        ]


def samples_table(
    questions: Sequence[Question],
    samples: Sequence[Sample],
    seeds: Sequence[int],
    *,
    names: Sequence[str],
    policy_run: str,
    epoch: int,
    temperature: float,
) -> pl.DataFrame:
    """``prompt_samples/1``.

    Args:
        questions: What was asked, once a sample.
        samples: What was answered.
        seeds: Seed of each.
        names: Identifier of each.
        policy_run: Run id of the prompt model.
        epoch: Its alignment epoch.
        temperature: Of the sampling.
    """
    rows = [
        (
            name,
            question.product_id,
            policy_run,
            epoch,
            question.instruction,
            one.text,
            clean_prompt(one.text),
            one.logp,
            one.n_tokens,
            one.ended,
            temperature,
            seed,
        )
        for question, one, seed, name in zip(questions, samples, seeds, names, strict=True)
    ]
    table = pl.DataFrame(rows, schema=PROMPT_SAMPLES.schema, orient="row")
    return check(table, PROMPT_SAMPLES, source=policy_run)


def sample_seed(seed: int, round_: int, product_id: str, number: int) -> int:
    """Seed of one sample: of a product's ``number``-th in a round of sampling."""
    return seed_of(seed, "sample", round_, product_id, number)
