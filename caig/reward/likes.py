"""What a reward model likes, in words: the weights of its last layer, phrase by phrase."""

from typing import Any, NamedTuple


class Like(NamedTuple):
    """What a phrase is worth.

    Attributes:
        phrase: The phrase.
        mean: Change of log-CTR when it is true of a picture; mean over the kinds of product.
        lowest: The same for the kind that likes it least.
        lowest_kind: That kind.
        highest: For the kind that likes it most.
        highest_kind: That kind.
    """

    phrase: str
    mean: float
    lowest: float
    lowest_kind: str
    highest: float
    highest_kind: str


def likes_of(model: Any) -> list[Like]:
    """The worth of every phrase; none of a model whose last layer weighs no phrases.

    Args:
        model: A reward model.
    """
    config, kinds = model.config, getattr(model.config, "kinds", [])
    if not config.phrases or not kinds:
        return []
    # Scores are turned into standardised log-CTR by the model's scale, and that by its spread.
    unit = float(model.scale.detach()) * config.log_ctr_sd
    worth = unit * (model.value.weight + model.taste).detach()  # (kinds, phrases)
    lowest, highest = worth.min(dim=0), worth.max(dim=0)
    return [
        Like(
            phrase,
            float(worth[:, i].mean()),
            float(lowest.values[i]),
            kinds[int(lowest.indices[i])],
            float(highest.values[i]),
            kinds[int(highest.indices[i])],
        )
        for i, phrase in enumerate(config.phrases)
    ]
