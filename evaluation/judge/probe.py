"""What a server was seen to do, before the first question costs anything.

Servers ignore fields they do not know and answer 200: one drops pictures, another the schema or the
probabilities of tokens. So nothing is taken on trust: a tier is used only if its answer was seen.
"""

from typing import Any

from caig.chat.message import JsonShape, Picture, Reply
from caig.chat.providers import PROVIDERS
from caig.errors import CaigError
from evaluation.judge.config import JudgeConfig, Tier
from evaluation.judge.first_token import masses
from evaluation.judge.pictures import encoded
from evaluation.judge.protocol import Ability, Ask
from evaluation.judge.requests import build_request
from evaluation.judge.words import read_json, read_text, verdict_schema

SYSTEM = "You examine images."
ASKED = "Is the image black?"
SIDE = 64

MOST_TOLD = (20, 5)
"""Numbers of first tokens to ask for: what the API allows, and what most servers do."""

SHAPES: dict[str, tuple[JsonShape, ...]] = {
    "anthropic": ("json_schema",),
    "glm": ("json_object",),
}
"""Ways to ask for JSON that a provider knows; the others are tried in order."""


def black() -> Picture:
    """A black picture."""
    return _plain("black")


def white() -> Picture:
    """A white picture."""
    return _plain("white")


class Probe:
    """The questions before the first question.

    Args:
        name: Of the judge, for messages.
        provider: One of ``caig.chat.providers.PROVIDERS``.
        config: What is wanted.
        ask: Asks, with attempts and pauses.
    """

    def __init__(self, name: str, provider: str, config: JudgeConfig, ask: Ask) -> None:
        self._name, self._provider, self._config = name, provider, config
        self._ask = ask
        self._temperature: float | None = config.temperature
        self._found: dict[str, Any] = {}

    def ability(self) -> Ability:
        """Find out.

        Raises:
            CaigError: It does not answer, reads no pictures, or does not do what is asked for.
        """
        pictures_by_tokens = self._sight_by_tokens(self._settle_temperature())
        wanted = self._config.tier
        tiers: tuple[Tier, ...] = ("logprobs", "json_schema", "text")
        for tier in tiers if wanted == "auto" else (wanted,):
            found = self._tier(tier)
            if found is None:
                continue
            if self._config.api.check_sight and not pictures_by_tokens:
                self._sight_by_answers(found)
            self._repeat(found)
            return found._replace(findings=self._found)
        raise CaigError(
            f"{self._name}: was not seen to give tier '{wanted}': "
            f"{self._found.get(wanted, 'the protocol has none')}"
        )

    def _settle_temperature(self) -> Reply:
        """Some models refuse a request that names a temperature; gives a reply without picture."""
        blind = self._text(())
        if blind.http_status in (400, 422) and self._temperature is not None:
            self._temperature = None
            blind = self._text(())
        if blind.status == "error":
            raise CaigError(f"{self._name} does not answer: {blind.detail}")
        self._found["temperature"] = self._temperature
        return blind

    def _sight_by_tokens(self, blind: Reply) -> bool:
        """Whether a picture is counted among the tokens read."""
        seeing = self._text((white(),))
        self._found["reads_its_text"] = read_text(seeing.text).status == "judged"
        counts = blind.input_tokens, seeing.input_tokens
        self._found["tokens_without_and_with_picture"] = list(counts)
        if seeing.status == "error":
            raise CaigError(f"{self._name} does not answer about a picture: {seeing.detail}")
        if None in counts:
            return False
        if counts[0] == counts[1] and self._config.api.check_sight:
            raise CaigError(
                f"{self._name} reads no pictures: a question has {counts[0]} tokens with and "
                "without one"
            )
        return counts[0] != counts[1]

    def _sight_by_answers(self, ability: Ability) -> None:
        """Without counts, answers must differ between black and white."""
        shown = [self._asked(ability, picture) for picture in (black(), white())]
        if _said(shown[0]) == _said(shown[1]):
            raise CaigError(
                f"{self._name} tells no token counts, and says the same of black and white: it "
                "cannot be seen whether it reads pictures; set api.check_sight=false if you know"
            )

    def _tier(self, tier: Tier) -> Ability | None:
        if tier == "logprobs":
            return self._logprobs()
        if tier == "json_schema":
            return self._json()
        return Ability("text", temperature=self._temperature) if tier == "text" else None

    def _logprobs(self) -> Ability | None:
        if PROVIDERS[self._provider].protocol != "openai":
            return None
        for n in MOST_TOLD:
            ability = Ability("logprobs", temperature=self._temperature, top_logprobs=n)
            reply = self._asked(ability, black())
            if reply.first_token is None:
                self._found["logprobs"] = reply.detail or "none came with the reply"
                if reply.http_status == 200:
                    return None
                continue
            yes, no, _ = masses(reply.first_token)
            self._found["logprobs"] = {
                "told": len(reply.first_token),
                "mass": yes + no,
                "status_at_one_token": reply.status,
            }
            if yes + no < self._config.min_mass and self._config.tier == "auto":
                return None  # it would answer in another way
            return ability
        return None

    def _json(self) -> Ability | None:
        shapes = SHAPES.get(self._provider, ("json_schema", "json_object_schema", "json_object"))
        schema = verdict_schema(ask_reason=self._config.ask_reason)
        for shape in shapes:
            ability = Ability("json_schema", shape, self._temperature)
            reply = self._asked(ability, black())
            reading = read_json(reply.text, schema)
            fits = reply.status == "reply" and "JSON" not in reading.detail
            self._found["json_schema"] = shape if fits else reply.detail or reading.detail
            if fits:
                return ability
        return None

    def _repeat(self, ability: Ability) -> None:
        """Whether the same question has the same answer, at temperature 0."""
        if self._temperature != 0:
            return
        said = [_said(self._asked(ability, black())) for _ in range(3)]
        self._found["same_answer_three_times"] = said[0] == said[1] == said[2]

    def _asked(self, ability: Ability, picture: Picture) -> Reply:
        return self._ask(
            build_request(self._config, ability, system=SYSTEM, asked=ASKED, pictures=(picture,))
        )

    def _text(self, pictures: tuple[Picture, ...]) -> Reply:
        ability = Ability("text", temperature=self._temperature)
        return self._ask(
            build_request(self._config, ability, system=SYSTEM, asked=ASKED, pictures=pictures)
        )


def _said(reply: Reply) -> tuple[object, ...]:
    """What can be compared of a reply."""
    told = None if reply.first_token is None else dict(reply.first_token)
    return reply.status, reply.text, told


def _plain(colour: str) -> Picture:
    from PIL import Image

    return Picture("image/png", encoded(Image.new("RGB", (SIDE, SIDE), colour)))
