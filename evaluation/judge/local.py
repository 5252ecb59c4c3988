"""A judge that runs here: any image-text-to-text checkpoint, asked by one forward pass.

P(yes) is read from the model's own logits where an answer begins, over every spelling of yes and of
no in its vocabulary (VQAScore, Lin et al. 2024, but with the mass of both reported: a model that
would say something else altogether has no verdict).
"""

import hashlib
import io
import threading
from pathlib import Path
from typing import Any

import numpy as np

from caig.chat.message import Reply, Request, TokenLogprob
from caig.errors import CaigError, ConfigError
from caig.runs.files import sha256_file
from evaluation.judge.config import JudgeConfig
from evaluation.judge.first_token import masses, spelling
from evaluation.judge.protocol import Ability, Ask


class LocalJudge:
    """A checkpoint as a judge.

    Args:
        folder: Of the checkpoint: safetensors, configuration and processor.
        config: Device and type of the weights.

    Raises:
        ArtifactError: It cannot be loaded.
        ConfigError: There is no such folder, or its vocabulary has no token for yes or for no.
        PrerequisiteError: torch or transformers is not installed.
    """

    is_free = True
    parallel = 1

    def __init__(self, folder: Path, config: JudgeConfig) -> None:
        from caig.mllm.config import ModelConfig
        from caig.mllm.load import dtype_of, load_mllm, require_torch

        if not folder.is_dir():
            raise ConfigError(f"local:{folder}: no such folder; name that of a checkpoint")
        require_torch()
        settings = ModelConfig(
            base=str(folder), device=config.local.device, dtype=config.local.dtype
        )
        self._mllm = load_mllm(settings)
        # Whatever is in the folder may change what it says: weights, template, tokens, pictures.
        sums = tuple(sha256_file(file) for file in sorted(folder.iterdir()) if file.is_file())
        whole = hashlib.sha256("".join(sums).encode()).hexdigest()
        self.name = f"local:{folder.resolve().name}@{whole[:8]}"
        self.identity: tuple[str, ...] = ("local", *sums, str(dtype_of(settings)))
        self._tokens = _spellings(self._mllm.tokenizer)
        said = {spelling(text) for text in self._tokens.values()}
        if said != {"yes", "no"}:
            raise ConfigError(
                f"{self.name}: its vocabulary has no token for "
                f"{' and for '.join(sorted({'yes', 'no'} - said))}, so that its first token tells "
                "no verdict"
            )
        self._lock = threading.Lock()

    def probe(self, config: JudgeConfig, ask: Ask) -> Ability:
        """Whether it sees: a black and a white picture must not give the same probabilities.

        Raises:
            CaigError: It does not see.
            ConfigError: Another tier is asked for.
        """
        if config.tier not in ("auto", "logits"):
            raise ConfigError(f"{self.name}: tells its logits, not tier '{config.tier}'")
        from evaluation.judge.probe import black, white

        question = "Is the image white? Answer with one word: Yes or No."
        seen = [ask(Request("", question, (shown,))).first_token for shown in (black(), white())]
        if seen[0] == seen[1]:
            raise CaigError(f"{self.name}: reads no pictures: black and white are the same to it")
        found = [masses(tokens or ()) for tokens in seen]
        return Ability(
            "logits",
            findings={
                "spellings": sorted(self._tokens.values()),
                "mass_black": found[0].yes + found[0].no,
                "mass_white": found[1].yes + found[1].no,
            },
        )

    def attempt(self, request: Request) -> Reply:
        """One forward pass: probabilities of all spellings of yes and no."""
        import torch
        from PIL import Image

        from caig.mllm.encode import encode_shown
        from caig.mllm.examples import Example

        pictures = [[Image.open(io.BytesIO(p.content)).convert("RGB") for p in request.pictures]]
        said = "\n\n".join(part for part in (request.system, request.question) if part)
        with self._lock, torch.inference_mode():
            batch: Any = encode_shown(self._mllm, [Example("judge", (said,), "")], pictures)
            logits = self._mllm.model(**batch, logits_to_keep=1).logits[0, -1].double()
            logprobs = torch.log_softmax(logits, dim=-1)[list(self._tokens)].cpu().numpy()
        if not np.isfinite(logprobs).all():
            return Reply("error", detail="probabilities are not finite", http_status=422)
        told = tuple(
            TokenLogprob(text, float(logprob))
            for text, logprob in zip(self._tokens.values(), logprobs, strict=True)
        )
        n_tokens = int(batch["input_ids"].shape[1])
        return Reply("reply", "", "", n_tokens, 1, first_token=told)


def _spellings(tokenizer: Any) -> dict[int, str]:
    """Text of every token that is a spelling of yes or no, by its number."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    found = {number: token for token, number in vocabulary.items() if spelling(token)}
    return dict(sorted(found.items()))
