"""Training targets by centers: the inverse of grouping (arXiv:1911.10194, sections 3.1 and 4).

All of it from the runs of the rows of the id map: along a run the instance is one, so areas, centers of mass,
both offsets and both masks need no look at any instance by itself. Only the Gaussians have windows of their
own.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import check_choice, check_count, check_fraction
from panoptic_fusion._windows import is_host, row_bands
from panoptic_fusion.regions import RowRuns, row_runs
from panoptic_fusion.segmentation import PanopticSegmentation

_LARGEST_SIGMA = 1e4


class CenterTargets(NamedTuple):
    """What heads for centers and offsets learn, of ``K`` instances.

    Attributes:
        heatmap: ``(1, H, W)`` float32 in [0, 1].
        offsets: ``(2, H, W)`` float32, y then x: pixels from here to the instance's center; 0 elsewhere.
        heatmap_mask: ``(H, W)`` bool, where the heat map counts: all that is labelled and no crowd.
        offset_mask: ``(H, W)`` bool, where the offsets count: things that are no crowd.
        semantic_weight: ``(H, W)`` float32, more than 1 on small instances.
        centers: ``(K, 2)`` float32, y and x of the centers that the offsets lead to.
        ids: ``(K,)`` int32, the segment ids of the instances.
    """

    heatmap: Tensor
    offsets: Tensor
    heatmap_mask: Tensor
    offset_mask: Tensor
    semantic_weight: Tensor
    centers: Tensor
    ids: Tensor


@torch.no_grad()
def encode_centers(
    seg: PanopticSegmentation,
    *,
    sigma: float = 8.0,
    peak: Literal["rounded", "floored", "exact"] = "rounded",
    offset_to: Literal["mass", "peak"] = "mass",
    small_area: int = 4096,
    small_weight: float = 3.0,
) -> CenterTargets:
    """Make the training targets of a ground truth.

    Crowds are no instances: they have no Gaussian, and neither heat map nor offsets count on them. Nor does
    anything count on void. Stuff counts for the heat map.

    Given back to `group_pixels`, `centers`, `offsets` and `offset_mask` reproduce the instances exactly, with
    one exception: instances whose centers fall together (closer than about 0.001 pixels, e.g. a ring and
    what it surrounds) become one, the first of them. A heat map alone keeps less: of centers within
    `find_centers`' window one stays.

    Args:
        seg: The ground truth as the network sees it: make the targets after crop and flip, so that a cut
            instance has the center of what is visible. From an id map and a table:
            `PanopticSegmentation.from_id_map`.
        sigma: Standard deviation of the Gaussians in pixels, > 0; 8 by default. They are cut off at
            ``3 sigma + 1`` pixels, where they are about 0.01, as in public code; where they overlap, the
            maximum counts.
        peak: Where the Gaussian stands: at the pixel nearest to the center of mass (halves to the even
            one), at the center ``"floored"``, or at the center itself, ``"exact"``. The heat map is 1 at a
            pixel in the first two. The paper does not say; its authors' TensorFlow code rounds, their PyTorch
            code floors.
        offset_to: Offsets lead to the center of ``"mass"``, as the paper says, or to the ``"peak"``.
        small_area: Instances with fewer visible pixels are small; 4096 by default.
        small_weight: Their `semantic_weight`; 3 by default. All else has 1.

    Returns:
        The targets on the device of the segmentation; instances in the order of its segments, those without
        a pixel left out.

    Raises:
        ValueError: If an option does not fit.

    Example:
        >>> id_map = torch.tensor([[5, 5, 5, 0, 7, 7]])
        >>> seg = PanopticSegmentation.from_id_map(id_map, [5, 7], labels=[0, 2], is_thing=[True, False])
        >>> targets = encode_centers(seg)
        >>> targets.centers.tolist(), targets.offsets[1].tolist()
        ([[0.0, 1.0]], [[1.0, 0.0, -1.0, 0.0, 0.0, 0.0]])
        >>> targets.heatmap_mask.tolist(), targets.offset_mask.tolist()
        ([[True, True, True, False, True, True]], [[True, True, True, False, False, False]])
    """
    if not (isinstance(sigma, int | float) and 0 < sigma <= _LARGEST_SIGMA):
        msg = f"Expected `sigma` to be a number in (0, {_LARGEST_SIGMA:g}], got {sigma!r}."
        raise ValueError(msg)
    check_choice(peak, "peak", ("rounded", "floored", "exact"))
    check_choice(offset_to, "offset_to", ("mass", "peak"))
    check_count(small_area, "small_area")
    check_fraction(small_weight, "small_weight", high=1e6)
    height, width = seg.shape
    runs = row_runs(seg.id_map)
    owner = _owners(seg, runs.values)  # (R,), 0 is void, else 1 + the segment's row
    areas, mass = _centers_of_mass(runs, owner, len(seg) + 1)
    is_instance = seg.is_thing & ~seg.iscrowd & (areas[1:] > 0)  # (S,)
    nothing = is_instance.new_zeros(1)
    peaks = mass if peak == "exact" else mass.round() if peak == "rounded" else mass.floor()
    goals = (mass if offset_to == "mass" else peaks).float()
    on_instance = torch.cat([nothing, is_instance])[owner]  # (R,)
    counts = torch.cat([nothing, ~seg.iscrowd])[owner]
    small = on_instance & (areas[owner] < small_area)
    offset_mask = _spread(on_instance, runs.lengths, height * width).view(height, width)
    ways = torch.cat([torch.where(on_instance, goals[owner, 0] - runs.rows, 0), goals[owner, 1]])
    offsets = _spread(ways, runs.lengths.repeat(2), 2 * height * width).view(2, height, width)
    columns = torch.arange(width, device=seg.device)
    for rows in row_bands(offset_mask):
        offsets[1, rows] = torch.where(offset_mask[rows], offsets[1, rows] - columns, 0)
    weights = torch.where(small, float(small_weight), 1.0)
    return CenterTargets(
        heatmap=_gaussians(peaks[1:][is_instance], sigma, (height, width)),
        offsets=offsets,
        heatmap_mask=_spread(counts, runs.lengths, height * width).view(height, width),
        offset_mask=offset_mask,
        semantic_weight=_spread(weights, runs.lengths, height * width).view(height, width),
        centers=goals[1:][is_instance],
        ids=seg.ids[is_instance],
    )


def _owners(seg: PanopticSegmentation, values: Tensor) -> Tensor:
    """Return 1 + the row of each run's segment, ``(R,)`` int64; 0 for void."""
    known, order = torch.cat([seg.ids.new_zeros(1), seg.ids]).sort()
    return order[torch.searchsorted(known, values)]


def _centers_of_mass(runs: RowRuns, owner: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the pixels of each owner, ``(count,)`` int64, and their mean y and x, ``(count, 2)`` float64."""
    sums = torch.zeros(3, count, dtype=torch.int64, device=owner.device)
    sums[0].index_add_(0, owner, runs.lengths)
    sums[1].index_add_(0, owner, runs.lengths * runs.rows)
    # The whole numbers of a run sum up to a whole number: the division leaves no rest.
    sums[2].index_add_(0, owner, (runs.starts + runs.ends - 1) * runs.lengths // 2)
    return sums[0], (sums[1:].double() / sums[0].clamp(min=1)).T


def _spread(values: Tensor, lengths: Tensor, pixels: int) -> Tensor:
    """Repeat the value of each run, ``(pixels,)``; NumPy does it ten times as fast on the host."""
    if is_host(values):
        return torch.from_numpy(np.repeat(values.numpy(), lengths.numpy()))
    return values.repeat_interleave(lengths, output_size=pixels)


def _gaussians(peaks: Tensor, sigma: float, size: tuple[int, int]) -> Tensor:
    """Return the maximum of all Gaussians, ``(1, H, W)`` float32; each is drawn in a window of its own."""
    height, width = size
    heatmap = torch.zeros(1, height, width, device=peaks.device)
    reach = min(int(3 * sigma + 1), max(size))
    ticks = torch.arange(-reach, reach + 1, device=peaks.device)
    middles = peaks.round()  # (K, 2)
    away = (middles - peaks)[..., None] + ticks  # (K, 2, 2 * reach + 1)
    profiles = torch.exp(-(away**2) / (2 * sigma**2)).float()
    # One copy of 2 K numbers to the host: windows are cut there.
    for (y, x), (down, right) in zip(middles.long().tolist(), profiles, strict=True):
        y0, x0, y1, x1 = (
            max(y - reach, 0),
            max(x - reach, 0),
            min(y + reach + 1, height),
            min(x + reach + 1, width),
        )
        top, left = y0 - y + reach, x0 - x + reach
        window = heatmap[0, y0:y1, x0:x1]
        gaussian = down[top : top + y1 - y0, None] * right[left : left + x1 - x0]
        torch.maximum(window, gaussian, out=window)
    return heatmap
