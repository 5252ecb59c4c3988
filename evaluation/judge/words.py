"""What a judge is asked, and how its reply is read. No network here.

A reply is a verdict by one strict rule, or it is none: there is no default, nothing is searched for
within a line, and what a title says cannot add a line to the question.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from caig.chat.words import last_line, quoted
from evaluation.judge.config import Tier
from evaluation.judge.rubric import Verdict

VERDICT_LINE = re.compile(
    r"\**(?:(?:the )?(?:final )?(?:verdict|answer)(?: is|:)\**\s*)?\**(yes|no|unknown)\**[.!]?",
    re.IGNORECASE,
)
"""A whole line that is a verdict; models put such lines in bold."""

ONE_WORD = "Answer with one word: Yes or No."

MAX_RATIONALE = 500
"""Characters of a judge's reasons that are kept in a table."""


class Reading(NamedTuple):
    """What a reply says.

    Attributes:
        verdict: yes, no or unknown.
        status: ``judged``, or why it is unknown.
        detail: More about it; empty if there is nothing to say.
        score: Probability of yes (0-1); None where the reply gives none.
        mass: Probability of yes and no together; None where the reply gives none.
        rationale: The judge's words; untrusted.
    """

    verdict: Verdict
    status: str
    detail: str = ""
    score: float | None = None
    mass: float | None = None
    rationale: str = ""


def question_text(
    asked: str, tier: Tier, *, title: str | None, category: str | None, ask_reason: bool
) -> str:
    """The question as a judge reads it.

    Args:
        asked: The rubric's question.
        tier: How the answer is got.
        title: Title of the product, untrusted; None if not known or not to be told.
        category: Its category, untrusted; None likewise.
        ask_reason: Whether a reason comes before the verdict, where the tier has room for it.
    """
    about = [
        f"{name} of the product (data): {quoted(text)}"
        for name, text in (("Title", title), ("Category", category))
        if text
    ]
    return "\n".join(
        [
            "You see one advertising image.",
            *about,
            "",
            f"Question: {asked}",
            _how(tier, ask_reason=ask_reason),
        ]
    )


def verdict_schema(*, ask_reason: bool) -> dict[str, Any]:
    """JSON schema of a verdict; the reason, if asked for, comes first, so that it is thought of."""
    reason = {"reason": {"type": "string"}} if ask_reason else {}
    verdict = {"verdict": {"type": "string", "enum": ["yes", "no", "unknown"]}}
    properties = reason | verdict
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_json(reply: str, schema: Mapping[str, Any]) -> Reading:
    """Read a verdict that must be one JSON object of the schema, and nothing besides."""
    try:
        found = json.loads(reply, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return Reading("unknown", "no_verdict", "the reply is not JSON")
    if not isinstance(found, dict) or set(found) != set(schema["properties"]):
        return Reading("unknown", "no_verdict", "the reply is JSON of another shape")
    reason = found.get("reason", "")
    said = found["verdict"]
    if said not in ("yes", "no", "unknown") or not isinstance(reason, str):
        return Reading("unknown", "no_verdict", "the reply is JSON of another shape")
    return _said(said, reason)


def read_text(reply: str) -> Reading:
    """Read a verdict that must be the whole last line."""
    said, why_not = last_line(reply, VERDICT_LINE)
    if said is None:
        return Reading("unknown", "no_verdict", why_not, rationale=_kept(reply))
    return _said(said, reply)


def _said(said: str, reason: str) -> Reading:
    if said == "unknown":
        return Reading("unknown", "no_verdict", "the judge cannot tell", rationale=_kept(reason))
    return Reading("yes" if said == "yes" else "no", "judged", rationale=_kept(reason))


def _kept(words: str) -> str:
    return words.strip()[:MAX_RATIONALE]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once: two verdicts are none."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


def _how(tier: Tier, *, ask_reason: bool) -> str:
    if tier in ("logits", "logprobs"):
        return ONE_WORD
    if tier == "json_schema":
        reason = '"reason", one sentence, and then ' if ask_reason else ""
        return (
            f'Answer with a JSON object and nothing else. Its keys: {reason}"verdict", which is '
            '"yes", "no", or "unknown" if the image does not tell.'
        )
    reason = "Say in one sentence why. Then end with" if ask_reason else "Answer with"
    return (
        f"{reason} one line and nothing after it: the word VERDICT, a colon, and YES, NO, or "
        "UNKNOWN if the image does not tell."
    )
