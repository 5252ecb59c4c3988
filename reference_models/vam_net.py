"""VAM's network, loss and training (torch). What it is, and its sources: ``vam.py``."""

# B items, L ads of an item, N ads, S side of a picture (px), O outputs

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from reference_models.item_lists import ItemLists, ListMetrics, list_metrics, order_of_items
from reference_models.pictures import crop, normalised, read_picture, shorter_side_to
from reference_models.training_net import Epoch, Fitted, fit
from reference_models.vam import VamConfig


class VamNet(nn.Module):
    """ResNet whose classifier has few outputs; an ad's score is their mean.

    Args:
        config: Its configuration.
        pretrained: Start from the named weights, which may be downloaded; else only the
            architecture is taken, for weights to be loaded into.
    """

    def __init__(self, config: VamConfig, *, pretrained: bool) -> None:
        super().__init__()
        self.body, width, classifier = _backbone(config, pretrained=pretrained)
        self.head = nn.Linear(width, config.outputs)
        if classifier is not None:
            with torch.no_grad():
                self.head.weight.copy_(classifier.weight[: config.outputs])
                self.head.bias.copy_(classifier.bias[: config.outputs])

    def features(self, pixels: Tensor) -> Tensor:
        """(N, O) outputs for (N, 3, S, S) pixels: the published bandit takes them for features."""
        pooled: Tensor = self.body(pixels).pooler_output.flatten(1)
        outputs: Tensor = self.head(pooled)
        return outputs

    def forward(self, pixels: Tensor) -> Tensor:
        """(N,) scores for (N, 3, S, S) pixels."""
        return self.features(pixels).mean(dim=1)


def _backbone(config: VamConfig, *, pretrained: bool) -> tuple[nn.Module, int, Any]:
    """The body, its width, and the classifier it came with (None if there is none)."""
    from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

    if config.backbone == "scratch":
        shape = ResNetConfig(
            embedding_size=config.widths[0],
            hidden_sizes=list(config.widths),
            depths=list(config.depths),
            layer_type="basic",
        )
        return ResNetModel(shape), config.widths[-1], None
    if not pretrained:
        shape = ResNetConfig.from_pretrained(config.backbone)
        return ResNetModel(shape), list(shape.hidden_sizes or ())[-1], None
    whole = ResNetForImageClassification.from_pretrained(config.backbone)
    classifier: Any = whole.classifier[1]
    return whole.resnet, classifier.in_features, classifier


class ListBatch(NamedTuple):
    """A batch of lists.

    Attributes:
        pixels: (B, L, 3, S, S).
        ctr: (B, L) smoothed click-through rates (fractions); 0 in an empty slot.
        filled: (B, L) whether the slot has an ad.
    """

    pixels: Tensor
    ctr: Tensor
    filled: Tensor


def list_loss(
    scores: Tensor,
    ctr: Tensor,
    filled: Tensor,
    *,
    rank_scale: float,
    point_scale: float,
    point_weight: float,
    masked: bool,
) -> Tensor:
    """Cross-entropy of the softmaxes over each list, plus the weighted error of the rates.

    Args:
        scores: (B, L) scores.
        ctr: (B, L) smoothed click-through rates (fractions).
        filled: (B, L) whether a slot has an ad. An empty one has target 0 and no point error.
        rank_scale: The list's target is ``softmax(rank_scale * ctr)``.
        point_scale: A score's target is ``point_scale * ctr``.
        point_weight: Weight of the mean squared error.
        masked: Leave empty slots out of the softmax of the scores, too.

    Returns:
        Mean over the items; scalar.
    """
    nothing = torch.finfo(scores.dtype).min
    target = (rank_scale * ctr).masked_fill(~filled, nothing).softmax(dim=1)
    seen = scores.masked_fill(~filled, nothing) if masked else scores
    rank = -(target * seen.log_softmax(dim=1)).sum(dim=1).mean()
    point = (scores - point_scale * ctr)[filled].square().mean()
    return rank + point_weight * point


class EpochOfLists(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One epoch's lists: of each item, in the epoch's order, ``list_length`` ads drawn anew.

    Args:
        lists: Lists of the training products.
        ctr: (A,) smoothed click-through rates of their ads (fractions).
        config: Size of lists and pictures, and the seed.
        epoch: The epoch.
    """

    def __init__(self, lists: ItemLists, ctr: np.ndarray, config: VamConfig, *, epoch: int) -> None:
        self._paths = lists.ads["path"].to_list()
        self._starts, self._ctr, self._config, self._epoch = lists.starts, ctr, config, epoch
        rng = np.random.default_rng([config.seed, epoch])
        self._order = order_of_items(lists.item_impressions(), rng)

    def __len__(self) -> int:
        return int(self._order.size)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        config, item = self._config, int(self._order[index])
        # Of its own for every item: what is drawn does not depend on how many workers there are.
        rng = np.random.default_rng([config.seed, self._epoch, item])
        rows = np.arange(self._starts[item], self._starts[item + 1])
        rows = rng.permutation(rows)[: config.list_length]
        pictures = [
            crop(
                shorter_side_to(read_picture(self._paths[row]), config.resize),
                config.crop,
                top=rng.random(),
                left=rng.random(),
            )
            for row in rows
        ]
        empty = config.list_length - len(rows)
        pictures += [np.zeros((config.crop, config.crop, 3), np.uint8)] * empty
        ctr = np.concatenate([self._ctr[rows], np.zeros(empty)]).astype(np.float32)
        filled = np.arange(config.list_length) < len(rows)
        return (
            torch.from_numpy(normalised(pictures)),
            torch.from_numpy(ctr),
            torch.from_numpy(filled),
        )


@torch.inference_mode()
def score_pictures(
    net: VamNet,
    paths: Sequence[str],
    config: VamConfig,
    *,
    told: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """Scores of pictures, from their middle.

    Args:
        net: The network; it is set to evaluation.
        paths: Files.
        config: Its configuration.
        told: Called with the number of pictures after every batch.

    Returns:
        (N,), float64.
    """
    net.eval()
    device = next(net.parameters()).device
    scores = np.empty(len(paths))
    for first in range(0, len(paths), config.score_batch):
        some = paths[first : first + config.score_batch]
        pictures = [
            crop(shorter_side_to(read_picture(path), config.resize), config.crop) for path in some
        ]
        pixels = torch.from_numpy(normalised(pictures)).to(device)
        scores[first : first + len(some)] = net(pixels).double().cpu().numpy()
        told(len(some))
    return scores


def train_vam(
    config: VamConfig,
    train: ItemLists,
    val: ItemLists,
    *,
    state: Path,
    identity: dict[str, Any],
    tell: Callable[[Epoch], None],
) -> tuple[VamNet, Fitted, ListMetrics]:
    """Train VAM.

    Args:
        config: Its configuration.
        train: Lists of the training products.
        val: Lists of the validation products.
        state: Folder of what a later attempt needs.
        identity: What must be equal for ``state`` to be gone on from.
        tell: Called after every epoch.

    Returns:
        The network with the kept epoch's weights, the training, and the validation figures.
    """
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = VamNet(config, pretrained=True).to(device)
    clicks, impressions = (train.ads[c].to_numpy() for c in ("n_clicks", "n_impressions"))
    ctr = config.prior.smoothed(clicks, impressions)
    paths = val.ads["path"].to_list()

    def batches(epoch: int) -> Iterator[ListBatch]:
        loader = DataLoader(
            EpochOfLists(train, ctr, config, epoch=epoch),
            batch_size=config.batch_items,
            num_workers=config.workers,
        )
        yield from (ListBatch(*(part.to(device) for part in batch)) for batch in loader)

    def loss(batch: ListBatch) -> Tensor:
        scores = net(batch.pixels.flatten(0, 1)).unflatten(0, batch.ctr.shape)
        return list_loss(
            scores,
            batch.ctr,
            batch.filled,
            rank_scale=config.rank_scale,
            point_scale=config.point_scale,
            point_weight=config.point_weight,
            masked=config.empty_slots == "masked",
        )

    def measured() -> ListMetrics:
        return list_metrics(val, score_pictures(net, paths, config))

    fitted = fit(
        net,
        torch.optim.SGD(net.parameters(), lr=config.lr, momentum=config.momentum),
        epochs=config.epochs,
        rate=lambda epoch: config.lr * config.lr_factor ** ((epoch - 1) // config.lr_every),
        batches=batches,
        loss=loss,
        validate=lambda: measured()._asdict(),
        keep=config.keep,
        state=state,
        identity=identity,
        tell=tell,
    )
    return net, fitted, measured()


def save_vam(net: VamNet, file: Path) -> None:
    """Write the weights as safetensors."""
    save_file({name: value.contiguous().cpu() for name, value in net.state_dict().items()}, file)


def load_vam(config: VamConfig, file: Path) -> VamNet:
    """Build the network and load the weights that :func:`save_vam` wrote."""
    net = VamNet(config, pretrained=False)
    net.load_state_dict(load_file(file))
    return net.to("cuda" if torch.cuda.is_available() else "cpu").eval()
