"""Zero-shot multimodal models as pair scorers: asked about every pair in both presentations.

A pair whose reply is no verdict, that failed, or that was never asked about has no row in the
scores: it is unscored, counted as such by the suites, and never half right. Every question's fate
is in the journal and in ``ApiScorer.questions``. A verdict is hard, 0 or 1: these models tell no
probability, so their calibration is not to be read as one.
"""

import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.chat.message import Picture, Reply
from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.table import check
from caig.errors import CaigError, ConfigError, DataError
from reference_models.api_clients import layout_of, make_client
from reference_models.api_config import ApiConfig
from reference_models.api_words import SYSTEM, question, read_verdict
from reference_models.pictures import of_pairs, read_ads, read_picture, resize
from reference_models.pointwise import PRESENTATIONS

SIDE = 512
"""Side of each ad in a side-by-side picture (px), as in the paper's reward model."""

QUESTIONS = pl.Schema(
    {
        "pair_id": pl.String(),
        "presentation": pl.String(),
        "status": pl.String(),
        "detail": pl.String(),
        "seconds": pl.Float64(),
        "input_tokens": pl.Int64(),
        "output_tokens": pl.Int64(),
        "from_journal": pl.Boolean(),
    }
)
"""Columns of ``ApiScorer.questions``: status is ``scored`` or ``unscored``, detail why not."""


class _Job(NamedTuple):
    pair_id: str
    presentation: str
    paths: tuple[str, str]
    title: str | None


class _Done(NamedTuple):
    job: _Job
    chosen: str | None
    detail: str
    seconds: float = 0.0
    answer: Reply = Reply("error")
    from_journal: bool = False


class ApiScorer:
    """A multimodal model behind an API as a ``PairScorer``.

    Bounds of pairs, time and money hold over all calls of one scorer, so that pairs may be given in
    parts.

    Args:
        spec: Provider and model, e.g. ``openai:gpt-4o``.
        config: How it is asked; by the defaults if left out.

    Attributes:
        questions: What became of each question so far; see ``QUESTIONS``.

    Raises:
        ConfigError: No such provider, no key, no address, or a bound of cost without prices.
        PrerequisiteError: The provider's client or Pillow is not installed.
    """

    def __init__(self, spec: str, config: ApiConfig | None = None) -> None:
        config = config or ApiConfig()
        provider, _, model = spec.partition(":")
        if not model:
            raise ConfigError(f"'{spec}': name provider and model, e.g. openai:gpt-4o")
        if config.max_usd and not (config.usd_per_million_input and config.usd_per_million_output):
            raise ConfigError(
                "max_usd needs today's prices: usd_per_million_input and usd_per_million_output"
            )
        self.name = f"api:{spec}"
        self.config = config
        self.questions = pl.DataFrame(schema=QUESTIONS)
        self._ask = make_client(provider, model, config)
        self._layout = config.layout or layout_of(provider)
        self._identity = [spec, config.base_url, SYSTEM, self._layout, _sampling(config)]
        self._lock = threading.Lock()
        self._deadline: float | None = None  # the clock starts with the first question
        self._pairs_left = config.max_items or None
        self._spent = 0.0
        self._failed_in_a_row = 0

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Ask about pairs, each in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run the pairs were made from.

        Returns:
            ``pair_scores/1``, in the order of ``pairs``: a row a verdict, so at most two a pair and
            none for a question without verdict.

        Raises:
            ArtifactError: ``images`` is no data run.
            CaigError: The key is refused, there is no such model, or it sees no pictures.
            DataError: An ad is missing, or the journal is damaged.
        """
        asked = pairs if self._pairs_left is None else pairs.head(self._pairs_left)
        if self._pairs_left is not None:
            self._pairs_left -= asked.height
        ads = {row["creative_id"]: row for row in of_pairs(asked, read_ads(images)).to_dicts()}
        if self._deadline is None and asked.height:
            self._deadline = time.monotonic() + 60 * self.config.max_minutes
            if self.config.check_sight:
                self._check_sight()
        done = list(self._answered(_jobs(asked, ads, tell_title=self.config.tell_title)))
        rows_of_questions = [_question_row(one) for one in done]
        self.questions.extend(pl.DataFrame(rows_of_questions, schema=QUESTIONS))
        rows = [
            (one.job.pair_id, self.name, one.job.presentation, _p_left(one), None, None)
            for one in done
            if one.chosen
        ]
        scores = pl.DataFrame(rows, schema=PAIR_SCORES.schema, orient="row")
        return check(scores, PAIR_SCORES, source=self.name)

    def _answered(self, jobs: Iterator[_Job]) -> Iterator[_Done]:
        known = _read_journal(Path(self.config.journal)) if self.config.journal else {}
        with ThreadPoolExecutor(self.config.concurrency) as pool:
            # A window, so that a bound that is met stops what has not begun.
            while window := list(islice(jobs, 4 * self.config.concurrency)):
                yield from pool.map(lambda job: self._one(job, known), window)

    def _one(self, job: _Job, known: dict[str, str]) -> _Done:
        asked = question(job.title, layout=self._layout)
        try:
            pictures = self._pictures(job.paths)
        except DataError:
            return _Done(job, None, "a picture cannot be read")
        key = self._key(asked, pictures)
        if key in known:
            reading = read_verdict(known[key])
            return _Done(job, reading.chosen, reading.why_not, from_journal=True)
        bound = self._bound_met()
        if bound:
            return _Done(job, None, bound)
        began = time.monotonic()
        answer = self._ask(pictures, asked, self._seconds_left())
        self._account(answer)
        seconds = time.monotonic() - began
        if answer.status != "reply":
            why = answer.detail or answer.status
            return _Done(job, None, why, seconds, answer)
        self._keep(key, job, answer)
        reading = read_verdict(answer.text)
        return _Done(job, reading.chosen, reading.why_not, seconds, answer)

    def _seconds_left(self) -> float:
        assert self._deadline is not None
        return self._deadline - time.monotonic()

    def _bound_met(self) -> str:
        with self._lock:
            if self._seconds_left() <= 0:
                return "not asked: max_minutes"
            if self.config.max_usd and self._spent >= self.config.max_usd:
                return "not asked: max_usd"
            if self._failed_in_a_row >= self.config.give_up_after:
                return "not asked: give_up_after"
        return ""

    def _account(self, answer: Reply) -> None:
        config = self.config
        with self._lock:
            failed = answer.status == "error"
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
            self._spent += (answer.input_tokens or 0) * config.usd_per_million_input / 1e6
            self._spent += (answer.output_tokens or 0) * config.usd_per_million_output / 1e6

    def _pictures(self, paths: tuple[str, str]) -> list[Picture]:
        if self._layout == "side_by_side":
            halves = [resize(read_picture(path), SIDE, SIDE) for path in paths]
            return [_png(np.concatenate(halves, axis=1), self.config.max_side)]
        return [_png(read_picture(path), self.config.max_side) for path in paths]

    def _check_sight(self) -> None:
        """A text model's server may drop pictures without a word; its token count tells."""
        words = "Answer with the word ready."
        black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
        shown = [_png(black, 64), _png(white, 64)]
        if self._layout == "side_by_side":
            shown = [_png(np.concatenate([black, white], axis=1), 128)]
        blind, seeing = (
            self._ask(pictures, words, self._seconds_left()) for pictures in ((), shown)
        )
        for answer in (blind, seeing):
            self._account(answer)
            if answer.status == "error":
                raise CaigError(f"{self.name} does not answer: {answer.detail}")
        counts = blind.input_tokens, seeing.input_tokens
        if None in counts:
            raise CaigError(
                f"{self.name} tells no token counts, so it cannot be seen whether it reads "
                "pictures; set check_sight=false if you know that it does"
            )
        if seeing.input_tokens == blind.input_tokens:
            raise CaigError(
                f"{self.name} reads no pictures: a question has {blind.input_tokens} tokens with "
                "and without them"
            )

    def _key(self, asked: str, pictures: Sequence[Picture]) -> str:
        hashes = [hashlib.sha256(picture.content).hexdigest() for picture in pictures]
        return hashlib.sha256(json.dumps([*self._identity, asked, hashes]).encode()).hexdigest()

    def _keep(self, key: str, job: _Job, answer: Reply) -> None:
        """A reply costs money: it is on disk before the next question is asked."""
        if not self.config.journal:
            return
        line = {
            "key": key,
            "scorer": self.name,
            "pair_id": job.pair_id,
            "presentation": job.presentation,
            "reply": answer.text,
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
        }
        with self._lock, Path(self.config.journal).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _jobs(
    pairs: pl.DataFrame, ads: dict[str, dict[str, str | None]], *, tell_title: bool
) -> Iterator[_Job]:
    for pair_id, left, right in pairs.select("pair_id", "left_id", "right_id").iter_rows():
        paths = str(ads[left]["path"]), str(ads[right]["path"])
        title = ads[left]["title"] if tell_title else None
        for presentation in PRESENTATIONS:
            order = paths if presentation == "as_is" else paths[::-1]
            yield _Job(pair_id, presentation, order, title)


def _p_left(done: _Done) -> float:
    """1 if the verdict names the pair's own left ad, which swapped is the second one shown."""
    left = "first" if done.job.presentation == "as_is" else "second"
    return float(done.chosen == left)


def _question_row(done: _Done) -> dict[str, str | float | None]:
    return {
        "pair_id": done.job.pair_id,
        "presentation": done.job.presentation,
        "status": "scored" if done.chosen else "unscored",
        "detail": done.detail,
        "seconds": done.seconds,
        "input_tokens": done.answer.input_tokens,
        "output_tokens": done.answer.output_tokens,
        "from_journal": done.from_journal,
    }


def _png(picture: np.ndarray, max_side: int) -> Picture:
    from PIL import Image

    height, width = picture.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    small = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    file = io.BytesIO()
    Image.fromarray(small).save(file, "PNG")
    return Picture("image/png", file.getvalue())


def _sampling(config: ApiConfig) -> list[object]:
    temperature = config.temperature if config.send_temperature else None
    return [config.max_tokens, temperature, config.max_side, config.extra_body]


def _read_journal(file: Path) -> dict[str, str]:
    """Replies by key. A last line that was cut off, as by a crash, is taken off the file."""
    if not file.is_file():
        return {}
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with file.open("r+b") as cut:
            cut.truncate(len(whole))
    replies = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = json.loads(line)
            replies[str(entry["key"])] = str(entry["reply"])
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{file}, line {number}: no entry of a journal") from None
    return replies
