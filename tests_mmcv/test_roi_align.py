"""Our RoIAlign gives mmcv's values and gradients, through mmcv's own layer."""

from typing import Any

import pytest
import torch
from torch import Tensor

LIMITS = {torch.float32: 1e-5, torch.float64: 1e-12}


def _rois(seed: int, count: int, images: int, extent: float) -> Tensor:
    """Boxes of all sizes, inside, across the border, far outside, and without extent."""
    generator = torch.Generator().manual_seed(seed)
    corner = extent * (1.6 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 0.3)
    size = extent * torch.rand(count, 2, generator=generator, dtype=torch.float64) ** 2
    size[::7] = 0
    size[1::9, 0] = 0
    size[2::13] *= 5
    corner[3::17] += 4 * extent
    index = torch.randint(0, images, (count, 1), generator=generator)
    return torch.cat([index, corner, corner + size], 1)


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "legacy"])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("bins", "channels", "size", "scale", "count"),
    [
        (7, 16, (25, 42), 1 / 16, 60), (14, 8, (50, 84), 1 / 4, 40), (7, 64, (32, 32), 1 / 4, 250),
        ((3, 5), 4, (9, 1), 1 / 2, 50), (1, 3, (1, 1), 1.0, 30), (7, 3, (12, 12), 1.0, 0),
    ],
    ids=["p4", "mask", "many", "column", "pixel", "none"],
)  # fmt: skip
def test_values_and_gradients(
    both: Any, close: Any, bins: Any, channels: int, size: tuple[int, int], scale: float, count: int,
    sampling_ratio: int, aligned: bool, dtype: torch.dtype,
) -> None:  # fmt: skip
    from mmcv.ops import RoIAlign

    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64).to(dtype)
    rois = _rois(0, count, 2, max(size) / scale).to(dtype)
    layer = RoIAlign(bins, scale, sampling_ratio, aligned=aligned)
    direction = torch.randn(layer(features, rois).shape, generator=generator, dtype=torch.float64).to(dtype)

    def run() -> tuple[Tensor, Tensor]:
        leaf = features.clone().requires_grad_()
        out = layer(leaf, rois)
        return out.detach(), torch.autograd.grad(out, leaf, direction)[0]

    (their_out, their_grad), (my_out, my_grad) = both(run)
    close("RoIAlign", their_out, my_out, LIMITS[dtype])
    close("RoIAlign, gradient", their_grad, my_grad, LIMITS[dtype])


def test_boxes_that_follow_the_pixel_grid(both: Any, close: Any) -> None:
    # Points exactly on pixels, on the border of the map, and exactly one pixel outside.
    from mmcv.ops import RoIAlign

    features = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    grid = torch.arange(-3.0, 11.0)
    corners = torch.cartesian_prod(grid, grid)
    rois = torch.cat(
        [torch.cat([torch.zeros(len(corners), 1), corners, corners + s], 1) for s in (0.5, 1, 2, 7)]
    )
    for aligned in (True, False):
        for ratio in (0, 2):
            layer = RoIAlign(2, 1.0, ratio, aligned=aligned)
            theirs, mine = both(lambda layer=layer: layer(features, rois))
            close("RoIAlign, on the grid", theirs, mine, 1e-6)
