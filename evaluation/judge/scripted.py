"""Judges that follow a rule and look at no content: for tests, and to see what a gate would do.

Their replies go the way of every reply, through the text tier, the file of replies and the tables,
where their name says what they are.
"""

import hashlib
import io
from collections.abc import Callable

import numpy as np

from caig.chat.message import Reply, Request
from caig.errors import ConfigError
from evaluation.judge.config import JudgeConfig
from evaluation.judge.protocol import Ability, Ask


def _bright(request: Request) -> str:
    """Yes to a picture that is brighter than middle grey."""
    from PIL import Image

    with Image.open(io.BytesIO(request.pictures[0].content)) as image:
        return "YES" if np.asarray(image.convert("L")).mean() > 127.5 else "NO"


def _coin(request: Request) -> str:
    """Yes to three pictures of four, by chance that depends on picture and question alone."""
    content = request.pictures[0].content + request.question.encode()
    return "YES" if hashlib.sha256(content).digest()[0] < 192 else "NO"


RULES: dict[str, Callable[[Request], str]] = {
    "yes": lambda request: "YES",
    "no": lambda request: "NO",
    "unknown": lambda request: "UNKNOWN",
    "bright": _bright,
    "coin": _coin,
}


class ScriptedJudge:
    """A judge by rule.

    Args:
        name: One of ``RULES``.

    Raises:
        ConfigError: There is no such rule.
    """

    is_free = True
    parallel = 1

    def __init__(self, name: str) -> None:
        if name not in RULES:
            raise ConfigError(f"no scripted judge '{name}'; there are: {', '.join(RULES)}")
        self.name = f"scripted:{name}"
        self.identity: tuple[str, ...] = (self.name,)
        self._rule = RULES[name]

    def probe(self, config: JudgeConfig, ask: Ask) -> Ability:
        """It writes text, and nothing else.

        Raises:
            ConfigError: Another tier is asked for.
        """
        if config.tier not in ("auto", "text"):
            raise ConfigError(f"{self.name}: gives text alone, not tier '{config.tier}'")
        return Ability("text", findings={"rule": (self._rule.__doc__ or self.name).strip()})

    def attempt(self, request: Request) -> Reply:
        """Answer by the rule."""
        return Reply("reply", f"VERDICT: {self._rule(request)}", "", 0, 0)
