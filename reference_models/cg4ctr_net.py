"""CG4CTR's network over frozen vectors, its loss and training (torch). Sources: ``cg4ctr.py``."""

# B items, L ads of an item, N ads, M tokens, D width of a token

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from caig.errors import DataError
from reference_models.baseline_runs import DataOfRun
from reference_models.cg4ctr import Cg4ctrConfig, read_captions
from reference_models.item_lists import (
    BetaPrior,
    ItemLists,
    ListMetrics,
    fitted_prior,
    list_metrics,
    order_of_items,
)
from reference_models.swin_net import build_swin, picture_vectors, train_on_domain
from reference_models.text_vectors_net import TextEncoder
from reference_models.training_net import Epoch, Fitted, fit

Vectors = dict[str, Tensor]
"""Token name to (N, width) frozen vectors."""


class MixerNet(nn.Module):
    """Perceptron a token, transformer over the tokens, perceptron to the score.

    Args:
        config: Its configuration.
        widths: Token name to the width of its frozen vectors, in the tokens' order.
    """

    def __init__(self, config: Cg4ctrConfig, widths: dict[str, int]) -> None:
        super().__init__()
        width = config.hidden[1]
        self.tokens = nn.ModuleDict(
            {name: _perceptron(of, config.hidden, config.dropout) for name, of in widths.items()}
        )
        # As in BERT: norm after each half, GELU. No positions: tokens are told apart by content.
        layer = nn.TransformerEncoderLayer(
            width,
            config.heads,
            config.feedforward,
            config.dropout,
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        self.mixer = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.head = _perceptron(width * len(widths), config.outputs, config.dropout, last=0.0)

    def forward(self, vectors: Vectors) -> Tensor:
        """(N,) scores, never below 0: a ReLU comes last, as published."""
        tokens = torch.stack([net(vectors[name]) for name, net in self.tokens.items()], dim=1)
        outputs: Tensor = self.head(self.mixer(tokens).flatten(1))
        return outputs.mean(dim=1)


def _perceptron(
    width: int, hidden: tuple[int, int], dropout: float, *, last: float | None = None
) -> nn.Sequential:
    """Linear, batch norm, ReLU, dropout, twice; ``last`` is the second dropout where it differs."""
    layers: list[nn.Module] = []
    for of, to, drop in (
        (width, hidden[0], dropout),
        (hidden[0], hidden[1], dropout if last is None else last),
    ):
        layers += [nn.Linear(of, to), nn.BatchNorm1d(to), nn.ReLU(), nn.Dropout(drop)]
    return nn.Sequential(*layers)


def list_loss(scores: Tensor, ctr: Tensor, filled: Tensor, config: Cg4ctrConfig) -> Tensor:
    """Weighted cross-entropy of the softmaxes over each list and error of the rates.

    Args:
        scores: (B, L) scores.
        ctr: (B, L) smoothed click-through rates (fractions).
        filled: (B, L) whether the slot has an ad; empty ones count nowhere.
        config: Scales and weights.

    Returns:
        Mean over the items; scalar.
    """
    nothing = torch.finfo(scores.dtype).min
    target = (config.rank_scale * ctr).masked_fill(~filled, nothing).softmax(dim=1)
    said = scores.masked_fill(~filled, nothing).log_softmax(dim=1)
    point = (scores - config.point_scale * ctr)[filled].square().mean()
    return config.rank_weight * -(target * said).sum(dim=1).mean() + config.point_weight * point


class Cg4ctr(NamedTuple):
    """A model that scores ads: frozen encoders and the network over them.

    Attributes:
        config: Its configuration.
        swin: Picture encoder.
        net: The network.
    """

    config: Cg4ctrConfig
    swin: Any
    net: MixerNet


class TrainedCg4ctr(NamedTuple):
    """A finished training.

    Attributes:
        model: The model, with the kept epoch's weights.
        prior: What smoothed the training labels.
        fitted: The training.
        metrics: Figures of the kept epoch on the validation products.
    """

    model: Cg4ctr
    prior: BetaPrior
    fitted: Fitted
    metrics: ListMetrics


def token_vectors(config: Cg4ctrConfig, swin: Any, ads: pl.DataFrame) -> Vectors:
    """Frozen vectors of every token of every ad.

    Args:
        config: Which tokens there are.
        swin: Picture encoder.
        ads: creative_id, product_id, path, title; all ads of each product that is in it.

    Returns:
        Token name to (N, width), in the rows' order. A million ads take 4 GB a 1024-wide token.

    Raises:
        DataError: A picture, title or caption is missing.
    """
    pictures = picture_vectors(swin, ads["path"].to_list(), batch=config.score_batch)
    vectors = {"image": pictures}
    if config.title == "item_images":
        item = torch.from_numpy(ads["product_id"].rank("dense").to_numpy().astype(np.int64) - 1)
        sums = torch.zeros(int(item.max()) + 1, pictures.shape[1]).index_add_(0, item, pictures)
        vectors["title"] = (sums / torch.bincount(item)[:, None])[item]
    elif config.title == "title":
        if ads["title"].null_count():
            raise DataError(
                f"{ads['title'].null_count():,} ads have no title; set title to "
                "'item_images', as published for data without titles"
            )
        encoder = TextEncoder(config.title_encoder, pooling="first")
        vectors["title"] = encoder.vectors(ads["title"].to_list(), batch=config.score_batch)
    if config.captions:
        captions = read_captions(Path(config.captions), ads["creative_id"].to_list())
        encoder = TextEncoder(config.caption_encoder, pooling="attention")
        vectors["caption"] = encoder.vectors(captions, batch=config.score_batch)
    assert tuple(vectors) == config.tokens
    return vectors


def train_cg4ctr(
    config: Cg4ctrConfig,
    data: DataOfRun,
    *,
    state: Path,
    identity: dict[str, Any],
    tell: Callable[[Epoch], None],
    note: Callable[..., None],
) -> TrainedCg4ctr:
    """Train CG4CTR's reward model.

    Args:
        config: Its configuration.
        data: Ads, clicks and splits.
        state: Folder of what a later attempt needs.
        identity: What must be equal for ``state`` to be gone on from.
        tell: Called after every epoch.
        note: Called with the event and figures of every epoch of the domain training.

    Raises:
        DataError: A split has nothing to learn from, or a title or caption is missing.
    """
    torch.manual_seed(config.seed)
    train = data.lists("train", min_impressions=config.min_impressions)
    val = data.lists("val", min_impressions=1)
    swin = _domain_swin(config, data, state, note)
    ads = data.ads.filter(pl.col("product_id").is_in(data.split["product_id"].implode()))
    vectors = token_vectors(config, swin, ads)
    row = {name: index for index, name in enumerate(ads["creative_id"])}
    train_rows, val_rows = (
        np.array([row[name] for name in lists.ads["creative_id"]]) for lists in (train, val)
    )
    clicks, impressions = (train.ads[c].to_numpy() for c in ("n_clicks", "n_impressions"))
    prior = fitted_prior(clicks, impressions)
    ctr = prior.smoothed(clicks, impressions)
    torch.manual_seed(config.seed + 1)  # whatever the encoder has drawn, or an earlier attempt
    device = _device()
    net = MixerNet(config, {name: value.shape[1] for name, value in vectors.items()}).to(device)

    def loss(batch: _Batch) -> Tensor:
        torch.manual_seed(batch.seed)  # of the dropout
        rows = torch.from_numpy(train_rows[batch.rows[batch.filled]])
        filled = torch.from_numpy(batch.filled).to(device)
        scores = torch.zeros(filled.shape, device=device)
        scores[filled] = net({name: value[rows].to(device) for name, value in vectors.items()})
        rates = torch.from_numpy(np.where(batch.filled, ctr[batch.rows], 0.0)).float()
        return list_loss(scores, rates.to(device), filled, config)

    def measured() -> ListMetrics:
        of_val = {name: value[val_rows] for name, value in vectors.items()}
        return list_metrics(val, _scores(net, of_val, batch=config.score_batch))

    fitted = fit(
        net,
        torch.optim.Adam(net.parameters(), lr=config.lr),
        epochs=config.epochs,
        rate=lambda _: config.lr,
        batches=lambda epoch: _batches(train, config, epoch),
        loss=loss,
        validate=lambda: measured()._asdict(),
        keep=config.keep,
        state=state,
        identity=identity,
        tell=tell,
    )
    return TrainedCg4ctr(Cg4ctr(config, swin, net.eval()), prior, fitted, measured())


class _Batch(NamedTuple):
    """(B, L) rows of ads in the lists, whether a slot has one, and the step's seed."""

    rows: np.ndarray
    filled: np.ndarray
    seed: int


def _batches(lists: ItemLists, config: Cg4ctrConfig, epoch: int) -> Iterator[_Batch]:
    rng = np.random.default_rng([config.seed, epoch])
    order = order_of_items(lists.item_impressions(), rng)
    longest = min(config.list_length, int(np.diff(lists.starts).max()))
    for first in range(0, len(order), config.batch_items):
        items = order[first : first + config.batch_items]
        rows = np.zeros((len(items), longest), dtype=np.int64)
        filled = np.zeros(rows.shape, dtype=bool)
        for slot, item in enumerate(items):
            some = rng.permutation(np.arange(lists.starts[item], lists.starts[item + 1]))[:longest]
            rows[slot, : len(some)] = some
            filled[slot, : len(some)] = True
        yield _Batch(rows, filled, int(rng.integers(2**31)))


@torch.inference_mode()
def _scores(net: MixerNet, vectors: Vectors, *, batch: int) -> np.ndarray:
    net.eval()
    device = next(net.parameters()).device
    n = len(vectors["image"])
    scores = [
        net({name: value[first : first + batch].to(device) for name, value in vectors.items()})
        for first in range(0, n, batch)
    ]
    together: np.ndarray = torch.cat(scores).double().cpu().numpy()
    return together


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _domain_swin(
    config: Cg4ctrConfig, data: DataOfRun, state: Path, note: Callable[..., None]
) -> Any:
    """The frozen encoder; trained on the domain once, whatever the number of attempts."""
    swin = build_swin(config.image, pretrained=True).to(_device())
    file = state / "swin"  # no .safetensors: the loop forgets those it does not need
    if file.is_file():
        swin.load_state_dict(load_file(file))
        return swin.eval()
    train = data.split.filter(pl.col("split") == "train")["product_id"]
    ads = data.ads.filter(pl.col("product_id").is_in(train.implode()))
    train_on_domain(
        swin,
        config.image,
        ads["path"].to_list(),
        ads["category_path"].to_list(),
        seed=config.seed,
        tell=note,
    )
    state.mkdir(parents=True, exist_ok=True)
    _save_tensors(swin.state_dict(), file)
    return swin.eval()


def score_ads(model: Cg4ctr, ads: pl.DataFrame) -> np.ndarray:
    """(N,) scores of ads.

    Args:
        model: The model.
        ads: creative_id, product_id, path, title; all ads of each product that is in it.
    """
    vectors = token_vectors(model.config, model.swin, ads)
    return _scores(model.net, vectors, batch=model.config.score_batch)


def save_cg4ctr(trained: TrainedCg4ctr, file: Path) -> None:
    """Write network and picture encoder as one safetensors file."""
    tensors = {f"net.{name}": value for name, value in trained.model.net.state_dict().items()}
    swin = trained.model.swin.state_dict()
    _save_tensors(tensors | {f"swin.{name}": value for name, value in swin.items()}, file)


def load_cg4ctr(config: Cg4ctrConfig, file: Path) -> Cg4ctr:
    """Build the model and load the weights that :func:`save_cg4ctr` wrote."""
    tensors = load_file(file)
    parts: dict[str, dict[str, Tensor]] = {"net": {}, "swin": {}}
    for name, value in tensors.items():
        part, _, key = name.partition(".")
        parts[part][key] = value
    swin = build_swin(config.image, pretrained=False)
    swin.load_state_dict(parts["swin"])
    widths = {token: parts["net"][f"tokens.{token}.0.weight"].shape[1] for token in config.tokens}
    net = MixerNet(config, widths)
    net.load_state_dict(parts["net"])
    return Cg4ctr(config, swin.to(_device()).eval(), net.to(_device()).eval())


def _save_tensors(tensors: dict[str, Tensor], file: Path) -> None:
    # Cloned: some layers share or slice storage, which safetensors refuses.
    own = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    save_file(own, file)
