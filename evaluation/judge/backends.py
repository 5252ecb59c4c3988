"""Judges by name."""

from pathlib import Path

from caig.errors import ConfigError
from evaluation.judge.config import JudgeConfig
from evaluation.judge.protocol import Backend

FORMS = (
    "local:FOLDER, api:openai:MODEL, api:anthropic:MODEL, api:glm:MODEL, api:local:MODEL or "
    "scripted:NAME"
)


def make_backend(config: JudgeConfig) -> Backend:
    """The judge a configuration names.

    Raises:
        ConfigError: There is no such judge, or its key is not in the environment.
        CaigError: It cannot be made, e.g. its checkpoint cannot be loaded.
    """
    kind, _, rest = config.judge.partition(":")
    if not rest:
        raise ConfigError(f"judge: '{config.judge}' is none; name {FORMS}")
    if kind == "api":
        from evaluation.judge.api import ApiJudge

        return ApiJudge(rest, config)
    if kind == "local":
        from evaluation.judge.local import LocalJudge

        return LocalJudge(Path(rest), config)
    if kind == "scripted":
        from evaluation.judge.scripted import ScriptedJudge

        return ScriptedJudge(rest)
    raise ConfigError(f"judge: '{config.judge}' is none; name {FORMS}")
