"""Judging all items: question by question within an ad, several ads at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from caig.chat.message import Picture, Reply, Request
from caig.contracts.judgements import JUDGEMENTS
from caig.contracts.table import check
from caig.errors import DataError
from evaluation.judge.asking import Asker, Got
from evaluation.judge.config import JudgeConfig
from evaluation.judge.first_token import read_first_token
from evaluation.judge.pictures import picture_for
from evaluation.judge.protocol import Ability
from evaluation.judge.replies import Replies, Spent
from evaluation.judge.requests import build_request
from evaluation.judge.rubric import Rubric, RubricQuestion, Verdict, is_void, outcome
from evaluation.judge.words import Reading, read_json, read_text

UNANSWERED = {"error": "failed", "refused": "refused", "truncated": "truncated"}


class Answered(NamedTuple):
    """What became of one question.

    Attributes:
        reading: Verdict, or why there is none.
        spent: On it, in this run.
        is_kept: True if every reply had been paid for before.
    """

    reading: Reading
    spent: Spent = Spent()
    is_kept: bool = False


class Judging:
    """One run's questions.

    Args:
        name: Judge.
        config: How it is asked.
        rubric: What it is asked.
        ability: What it was seen to do.
        asker: Asks.
        replies: Where attempts are recorded.
    """

    def __init__(
        self,
        name: str,
        *,
        config: JudgeConfig,
        rubric: Rubric,
        ability: Ability,
        asker: Asker,
        replies: Replies,
    ) -> None:
        self._name, self._config, self._rubric = name, config, rubric
        self._ability, self._asker, self._replies = ability, asker, replies
        self._rubric_key = f"{rubric.identifier} {rubric.sha256}"

    def judge(
        self, items: pl.DataFrame, *, parallel: int, advance: Callable[[int, int], None]
    ) -> pl.DataFrame:
        """Ask about every item.

        Args:
            items: Columns ``evaluation.judge.items.ITEMS``.
            parallel: Items at a time.
            advance: Told how many items of how many are done.

        Returns:
            ``judgements/1``, in the order of ``items``, every question of every item.

        Raises:
            CaigError: No question would be answered, e.g. the key is refused.
        """
        rows: list[dict[str, Any]] = []
        waiting = items.iter_rows(named=True)
        done = 0
        advance(done, items.height)
        pool = ThreadPoolExecutor(parallel)
        try:
            # A window, so that memory holds few pictures at a time.
            while window := list(islice(waiting, 4 * parallel)):
                for found in pool.map(self._item, window):
                    rows += found
                    done += 1
                    advance(done, items.height)
        finally:
            # What ends the asking, a refused key or a user, ends it at once.
            pool.shutdown(cancel_futures=True)
        return check(pl.DataFrame(rows, JUDGEMENTS.schema), JUDGEMENTS, source=self._name)

    def requests(self, item: dict[str, Any]) -> Iterator[tuple[RubricQuestion, Request, list[str]]]:
        """Every question about an item with the keys of its replies, as if none were void.

        Raises:
            DataError: Its picture cannot be read.
        """
        picture = picture_for(Path(item["path"]), max_side=self._config.max_side)
        for question in self._rubric.questions:
            request = self._request(question, item, picture)
            yield question, request, self._keys(request)

    def _item(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            picture: Picture | None = picture_for(
                Path(item["path"]), max_side=self._config.max_side
            )
        except DataError:
            picture = None
        answers: dict[str, Answered] = {}
        verdicts: dict[str, Verdict] = {}
        for question in self._rubric.questions:
            if picture is None:
                why = "the picture cannot be read"
                answered = Answered(Reading("unknown", "bad_picture", why))
            elif is_void(question, verdicts):
                answered = Answered(Reading("unknown", "void", "what it needs is answered no"))
            else:
                answered = self._question(self._request(question, item, picture))
            answers[question.id] = answered
            verdicts[question.id] = answered.reading.verdict
        rows = [self._row(item, name, answered) for name, answered in answers.items()]
        return [*rows, self._row(item, self._rubric.name, Answered(self._whole(answers)))]

    def _request(self, question: RubricQuestion, item: dict[str, Any], picture: Picture) -> Request:
        return build_request(
            self._config,
            self._ability,
            system=self._rubric.system.strip(),
            asked=" ".join(question.text.split()),
            pictures=(picture,),
            title=item["title"],
            category=item["category"],
        )

    def _keys(self, request: Request) -> list[str]:
        several = self._ability.tier in ("json_schema", "text")
        n = self._config.samples if several else 1
        return [
            self._asker.key(
                request, rubric=self._rubric_key, tier=self._ability.tier, sample=sample
            )
            for sample in range(n)
        ]

    def _question(self, request: Request) -> Answered:
        readings, spent, kept = [], Spent(), []
        for key in self._keys(request):
            got = self._asker.ask(request, key)
            readings.append(self._read(got, request))
            mine = self._replies.claim(key)
            spent = spent.plus(mine)
            kept.append(got.is_kept and mine.n_attempts == 0)
        return Answered(_majority(readings), spent, all(kept))

    def _read(self, got: Got, request: Request) -> Reading:
        if got.not_asked:
            tried = f" after {got.reply.detail}" if got.reply else ""
            return Reading("unknown", "not_asked", f"{got.not_asked} is met{tried}")
        reply = got.reply
        assert reply is not None
        if reply.status != "reply":
            return Reading("unknown", UNANSWERED[reply.status], reply.detail)
        return self._verdict(reply, request)

    def _verdict(self, reply: Reply, request: Request) -> Reading:
        tier = self._ability.tier
        if tier == "text":
            return read_text(reply.text)
        if tier == "json_schema":
            assert request.schema is not None
            return read_json(reply.text, request.schema)
        return read_first_token(
            reply.first_token, min_mass=self._config.min_mass, complete=tier == "logits"
        )

    def _whole(self, answers: dict[str, Answered]) -> Reading:
        readings = {name: answered.reading for name, answered in answers.items()}
        verdict = outcome(self._rubric, {name: r.verdict for name, r in readings.items()})
        if verdict == "unknown":
            name, first = next((n, r) for n, r in readings.items() if r.verdict == "unknown")
            return Reading("unknown", first.status, f"{name}: {first.detail}")
        asked = [r for r in readings.values() if r.status != "void"]
        scores = [r.score for r in asked if r.score is not None]
        lowest = min(scores) if len(scores) == len(asked) else None
        return Reading(verdict, "judged", score=lowest)

    def _row(self, item: dict[str, Any], question: str, answered: Answered) -> dict[str, Any]:
        reading, spent = answered.reading, answered.spent
        return {
            "judge": self._name,
            "rubric": self._rubric.identifier,
            "control": item["control"],
            "item_id": item["item_id"],
            "product_id": item["product_id"],
            "category": item["category"],
            "image_sha256": item["image_sha256"],
            "question": question,
            "verdict": reading.verdict,
            "status": reading.status,
            "detail": reading.detail,
            "score": reading.score,
            "mass": reading.mass,
            "tier": self._ability.tier,
            "n_attempts": spent.n_attempts,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost_usd": None if spent.n_unpriced else spent.usd,
            "seconds": spent.seconds,
            "from_kept": answered.is_kept,
            "rationale": reading.rationale,
        }


def _majority(readings: list[Reading]) -> Reading:
    """What several replies to one question come to: a tie is no verdict, nor is no reply."""
    if len(readings) == 1:
        return readings[0]
    yes, no = (sum(r.verdict == said for r in readings) for said in ("yes", "no"))
    if yes + no == 0:
        return readings[0]
    if yes == no:
        return Reading("unknown", "no_verdict", f"{yes} replies say yes, {no} say no")
    chosen = "yes" if yes > no else "no"
    first = next(r for r in readings if r.verdict == chosen)
    detail = f"{yes} yes, {no} no of {len(readings)} replies"
    # The mean of Jeffreys' posterior: three replies of three are not certainty.
    share = (yes + 0.5) / (yes + no + 1)
    return Reading(first.verdict, "judged", detail, share, rationale=first.rationale)
