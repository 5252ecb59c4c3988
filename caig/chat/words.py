"""Foreign texts within a question, and verdicts within a reply. No network here.

A product's title is anybody's text. It is given as a quoted JSON text on one line, so that it can
neither end the quotation nor add a line to the question; and a reply is read by one strict rule, so
that whatever a title makes a model say, it is a verdict or it is none.
"""

import json
import re

MAX_TITLE = 300
"""Characters of a title that are shown."""

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def quoted(title: str) -> str:
    """An untrusted text as one quoted line of at most ``MAX_TITLE`` characters."""
    plain = " ".join(_STEERING.sub(" ", title).split())
    return json.dumps(plain[:MAX_TITLE], ensure_ascii=False)


def last_line(reply: str, verdict: re.Pattern[str]) -> tuple[str | None, str]:
    """Read a verdict: the last line that is not empty must be one, and no line may contradict it.

    Nothing is searched for within a line, and there is no default: a refusal, or a verdict followed
    by second thoughts, is no verdict.

    Args:
        reply: Untrusted.
        verdict: What a whole line must be; its first group is the verdict.

    Returns:
        The verdict in lower case, or None; and why there is none, empty if there is.
    """
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    if not lines:
        return None, "empty reply"
    last = verdict.fullmatch(lines[-1])
    if last is None:
        return None, "the last line is no verdict"
    chosen = last[1].lower()
    others = {found[1].lower() for line in lines[:-1] if (found := verdict.fullmatch(line))}
    if others - {chosen}:
        return None, "contradicting verdicts"
    return chosen, ""
