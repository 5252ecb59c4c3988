"""A first layer that is learned from pictures alone: a dictionary of patches.

Pictures are cut into small overlapping patches; each is freed of its own brightness and contrast,
whitened (ZCA), and compared with a dictionary of typical patches. What comes out is how much more
than a threshold a patch looks like each entry, or like its negative. The dictionary is learned in
seconds from the training pictures, by spherical k-means, without a label, and then stays as it is:
so a small net starts with edges and textures where it would spend most of its training on finding
them (Coates and Ng 2011 and 2012; the constants are theirs for pixels of 0 to 255).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE, STRIDE = 6, 2
"""Side of a patch, and distance between patches (px)."""

CONTRAST_FLOOR = 10.0
"""Added to the variance of a patch: what is nearly flat stays nearly flat."""

WHITENING_FLOOR = 0.1
"""Added to the variance in each direction before whitening."""

THRESHOLD = 0.5
"""Likeness below this is none."""

COLOURS = 7
"""Maps beside the likenesses: mean and spread of three colours, and contrast."""

GRID = 8
"""Rows and columns of the map."""

ROUNDS = 12


class PatchDictionary(nn.Module):
    """Pictures to a coarse map of which typical patch is where; no gradient trains it.

    Args:
        size: Entries of the dictionary.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.channels = 2 * size + COLOURS
        self.filters = _fixed(torch.zeros(size, 3, SIDE, SIDE))
        self.offset = _fixed(torch.zeros(size))
        self.mean = _fixed(torch.zeros(self.channels, 1, 1))
        self.spread = _fixed(torch.ones(self.channels, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compare the patches of pictures with the dictionary.

        Args:
            pixels: (B, 3, S, S), in 0 to 1.

        Returns:
            (B, 2 * size + COLOURS, GRID, GRID), standardised over the training pictures: likeness
            to each entry and to its negative; mean and spread of each colour; contrast.
        """
        return (self._raw(pixels) - self.mean) / self.spread

    def _raw(self, pixels: Tensor) -> Tensor:
        grid = functional.adaptive_avg_pool2d
        full = 255 * pixels
        # Patches are normalised after the filters, which are linear, not before: far less to do.
        mean = functional.avg_pool2d(full.mean(1, keepdim=True), SIDE, STRIDE)
        square = functional.avg_pool2d((full**2).mean(1, keepdim=True), SIDE, STRIDE)
        contrast = ((square - mean**2).clamp(min=0) + CONTRAST_FLOOR).sqrt()
        found = functional.conv2d(full, self.filters, stride=STRIDE)
        brightness = mean * self.filters.sum((1, 2, 3))[:, None, None]
        likeness = (found - brightness) / contrast + self.offset[:, None, None]
        both = torch.cat([likeness - THRESHOLD, -likeness - THRESHOLD], dim=1)
        colour = grid(pixels, GRID)
        shades = (grid(pixels**2, GRID) - colour**2).clamp(min=0).sqrt()
        often = grid(functional.relu(both), GRID).sqrt()
        return torch.cat([often, colour, shades, grid(contrast / 64, GRID)], dim=1)

    @torch.no_grad()
    def learn(self, pictures: Tensor, *, n_patches: int = 40_000, seed: int = 0) -> None:
        """Learn the dictionary.

        Args:
            pictures: (B, 3, S, S) uint8, of training ads.
            n_patches: Patches that are looked at.
            seed: Seed of which ones, and of where k-means starts.
        """
        draw = torch.Generator().manual_seed(seed)
        whole = pictures.shape[-1] - SIDE + 1
        of, top, left = (
            torch.randint(n, (n_patches,), generator=draw).tolist()
            for n in (len(pictures), whole, whole)
        )
        corners = zip(of, top, left, strict=True)
        cut = [pictures[i, :, y : y + SIDE, x : x + SIDE].flatten() for i, y, x in corners]
        patches = torch.stack(cut).float()
        centred = patches - patches.mean(1, keepdim=True)
        normal = centred / (patches.var(1, correction=0, keepdim=True) + CONTRAST_FLOOR).sqrt()
        mean = normal.mean(0)
        values, directions = torch.linalg.eigh(torch.cov((normal - mean).T))
        scale = (values.clamp(min=0) + WHITENING_FLOOR).rsqrt()
        whitening = directions @ torch.diag(scale) @ directions.T
        white = (normal - mean) @ whitening
        entries = torch.randn(len(self.offset), white.shape[1], generator=draw)
        entries = functional.normalize(entries, dim=1)
        for _ in range(ROUNDS):
            likeness = white @ entries.T
            nearest = likeness.abs().argmax(1)
            weight = likeness.gather(1, nearest[:, None])
            sums = torch.zeros_like(entries).index_add_(0, nearest, white * weight)
            entries = functional.normalize(sums + 1e-3 * entries, dim=1)
        filters = entries @ whitening
        self.filters.copy_(filters.reshape(self.filters.shape))
        self.offset.copy_(-filters @ mean)
        some = pictures[:: max(len(pictures) // 1000, 1)]
        maps = torch.cat([self._raw(part.float() / 255) for part in torch.split(some, 64)])
        self.mean.copy_(maps.mean((0, 2, 3))[:, None, None])
        self.spread.copy_(maps.std((0, 2, 3))[:, None, None] + 1e-3)


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
