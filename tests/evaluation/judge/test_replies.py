"""Replies that were paid for are durable first, given again only if complete, and never lost."""

import json
import os

import pytest

from caig.chat.message import Reply, TokenLogprob
from caig.errors import ArtifactError
from evaluation.judge.replies import Replies

GOOD = Reply("reply", "VERDICT: YES", "", 100, 5, 200)


def record(path, *replies, job="one", keep=True):
    with Replies(path, job) as kept:
        for n, reply in enumerate(replies):
            kept.begin(f"k{n}")
            kept.end(f"k{n}", reply, usd=0.01, seconds=0.5, keep=keep)


def test_a_complete_reply_is_given_again_to_any_run(tmp_path):
    path = tmp_path / "below" / "replies.jsonl"
    told = (TokenLogprob("Yes", -0.1), TokenLogprob("\u2581No", -2.5))
    record(path, GOOD, GOOD._replace(text="", first_token=told))
    with Replies(path, "two") as kept:
        assert kept.find("k0") == GOOD
        assert kept.find("k1").first_token == told
        assert kept.find("k2") is None
        assert kept.claim("k0").n_attempts == 0  # another run paid
        assert kept.spent_in_all().usd == 0


@pytest.mark.parametrize(
    "reply",
    [
        Reply("error", detail="RateLimitError 429", http_status=429),
        Reply("refused", "", "refusal", 100, 0, 200),
        Reply("truncated", "VERDICT: Y", "", 100, 64, 200),
    ],
    ids=lambda reply: reply.status,
)
def test_no_fault_refusal_or_part_is_given_again_but_its_cost_is_known(tmp_path, reply):
    path = tmp_path / "replies.jsonl"
    record(path, reply)
    assert "VERDICT" not in path.read_text()
    with Replies(path, "one") as kept:
        assert kept.find("k0") is None
        assert kept.claim("k0")[:2] == (1, 0)
        assert kept.claim("k0").n_attempts == 0  # told once: of two equal ads, the first has it
        assert kept.spent_in_all().usd == pytest.approx(0.01)


def test_a_reply_to_the_probe_is_not_given_again(tmp_path):
    record(tmp_path / "replies.jsonl", GOOD, keep=False)
    with Replies(tmp_path / "replies.jsonl", "one") as kept:
        assert kept.find("k0") is None
        assert kept.spent_in_all().n_attempts == 1


def test_on_disk_before_anything_else(tmp_path, monkeypatch):
    path = tmp_path / "replies.jsonl"
    seen = []

    def fsync(descriptor):
        seen.append((path.read_text().count('"status": "reply"'), "k" in kept._kept))
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    with Replies(path, "one") as kept:
        kept.begin("k")
        assert seen == []
        kept.end("k", GOOD, usd=None, seconds=1.0, keep=True)
        # When it was synced, the line was written, and nobody had been given the reply.
        assert seen == [(1, False)]
        assert kept.find("k") == GOOD


def test_a_torn_line_is_left_out_and_what_follows_is_not(tmp_path):
    path = tmp_path / "replies.jsonl"
    record(path, GOOD, GOOD)
    whole = path.read_bytes()
    for cut in range(len(whole.splitlines()[0]) + 1, len(whole), 31):
        path.write_bytes(whole[:cut])
        record(path, GOOD, job="two")
        with Replies(path, "two") as kept:
            assert kept.find("k0") == GOOD
            assert kept.spent_in_all().n_attempts == 1
            assert kept.n_unreadable <= 1


def test_what_was_in_the_air_is_known(tmp_path):
    path = tmp_path / "replies.jsonl"
    with Replies(path, "one") as kept:
        for key in ("a", "b", "b"):
            kept.begin(key)
        kept.end("a", GOOD, usd=0.0, seconds=0.1, keep=True)
        kept.end("b", GOOD._replace(status="error"), usd=None, seconds=0.1, keep=True)
    with Replies(path, "one") as kept:
        assert dict(kept.in_the_air) == {"b": 1}
        assert kept.spent_in_all()[:2] == (2, 1)
    with Replies(path, "two") as kept:
        assert not kept.in_the_air


def test_two_runs_may_write_at_a_time(tmp_path):
    path = tmp_path / "replies.jsonl"
    with Replies(path, "one") as one, Replies(path, "two") as two:
        for n in range(50):
            for kept in (one, two):
                kept.end(f"{n}", GOOD, usd=0.0, seconds=0.1, keep=True)
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 100


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(ArtifactError, match="cannot keep replies here"):
        Replies(tmp_path, "one")
