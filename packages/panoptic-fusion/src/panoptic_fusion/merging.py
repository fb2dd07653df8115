"""Several views of one image, or several networks, merged before fusion: mirror, resize, average.

Test-time augmentation brings every view back to the image (`flip_raw_outputs`, `resize_raw_outputs`) and
averages the maps. Panoptic-DeepLab's way (Cheng et al., arXiv:1911.10194): probabilities are averaged, the x
offset of a mirrored view changes its sign, offsets shrink with the image. UPSNet's (Xiong et al.,
arXiv:1901.03784): semantic logits are averaged, instances come from one view.

Maps are added to a running sum, one view after the other: pass a generator, and no two views exist at once.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_shape, check_size
from panoptic_fusion._means import Mean, SemanticMean, Space, weighted
from panoptic_fusion.affinity.maps import AffinityMaps
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.nms import nms
from panoptic_fusion.raw_outputs import RawOutputs
from panoptic_fusion.semantic import label_map_from_logits

_MAPS = ("sem_logits", "ranking", "center_heatmap", "offsets")


def flip_raw_outputs(raw: RawOutputs) -> RawOutputs:
    """Mirror everything, left to right: from a mirrored view back to the image, or the other way.

    The x offset is negated as well. Applied twice it gives the same values back. The grid of `affinity`
    counts from the left: its cells have to fill the image.

    Raises:
        ValueError: If the last column of the affinity's cells reaches beyond the image.

    Example:
        >>> raw = RawOutputs((1, 2), 0, 1, offsets=torch.tensor([[[3.0, 4.0]], [[1.0, 2.0]]]))
        >>> flip_raw_outputs(raw).offsets.tolist()
        [[[4.0, 3.0]], [[-2.0, -1.0]]]
    """
    parts = {name: getattr(raw, name) for name in (*_MAPS, "sem_seg")}
    mirrored: dict[str, Any] = {
        name: part.flip(-1) for name, part in parts.items() if part is not None
    }  # flip copies
    if "offsets" in mirrored:
        mirrored["offsets"][1].neg_()
    masks = None if raw.masks is None else _flip_masks(raw.masks, raw.size[1])
    affinity = None if raw.affinity is None else _flip_affinity(raw.affinity, raw.size[1])
    return replace(raw, masks=masks, affinity=affinity, **mirrored)


def resize_raw_outputs(raw: RawOutputs, size: tuple[int, int]) -> RawOutputs:
    """Bring everything to another size of the same image.

    Maps are read bilinearly in float32 (``align_corners=False``: pixel centres at i + 0.5), the label map at
    the nearest pixel centre; boxes are scaled, and so are the strides of `affinity`. Offsets are pixels: each
    axis is multiplied by new / old, that is, divided by the view's scale.

    Args:
        raw: Of a view.
        size: ``(H, W)`` of the image, at least 1 x 1.

    Returns:
        The same object if it has that size already.

    Raises:
        ValueError: If either size has no pixel.
    """
    size = check_size(size)
    if size == raw.size:
        return raw
    if 0 in size or 0 in raw.size:
        msg = f"Expected sizes with pixels, got {raw.size} and the new size {size}. Leave empty images out."
        raise ValueError(msg)
    factor_y, factor_x = size[0] / raw.size[0], size[1] / raw.size[1]
    parts = {name: getattr(raw, name) for name in _MAPS}
    resized: dict[str, Any] = {
        name: _bilinear(part, size) for name, part in parts.items() if part is not None
    }
    if "offsets" in resized:
        resized["offsets"] *= resized["offsets"].new_tensor([factor_y, factor_x])[:, None, None]
    masks = None if raw.masks is None else raw.masks.rescale(factor_x, factor_y)
    sem_seg = None if raw.sem_seg is None else _nearest(raw.sem_seg, size)
    affinity = None if raw.affinity is None else raw.affinity.rescale(factor_y, factor_x)
    return replace(raw, size=size, masks=masks, sem_seg=sem_seg, affinity=affinity, **resized)


@torch.no_grad()
def average_semantics(
    sem_logits: Iterable[ArrayLike],
    weights: Sequence[float] | None = None,
    space: Space = "probabilities",
) -> Tensor:
    """Average the class scores of views of one image, or of several networks.

    Args:
        sem_logits: ``(C, H, W)`` floats each, all of one size; a generator is read one map at a time.
        weights: One for each, > 0; by default all count the same.
        space: ``"probabilities"`` averages softmaxes; ``"logits"`` averages the logits themselves.

    Returns:
        ``(C, H, W)`` float32 logits. By probabilities: the logarithm of the mean probability, so that softmax
        and argmax of the result mean what they always mean (0 counts as 1e-38). Memory: this, and the map
        that is being added.

    Raises:
        ValueError: If there is no map, sizes, devices or the number of weights differ, or a mean is NaN or
            plus infinity.
        TypeError: If a map does not hold floats.

    Example:
        >>> sure = torch.tensor([[[4.0]], [[0.0]]])  # probabilities 0.98, 0.02
        >>> other = torch.tensor([[[0.0]], [[1.0]]])  # 0.27, 0.73
        >>> average_semantics([sure, other]).softmax(dim=0).flatten().mul(100).round().tolist()
        [63.0, 37.0]
    """
    mean = SemanticMean(space)
    for logits, weight in weighted(sem_logits, weights, "sem_logits"):
        mean.add(as_tensor(logits, "sem_logits"), weight)
        del logits  # before the next one is made
    return mean.result()


@torch.no_grad()
def average_centers(
    centers: Iterable[tuple[ArrayLike, ArrayLike]], weights: Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    """Average heat maps and offsets of views of one image, or of several networks.

    Args:
        centers: For each the heat map ``(1, H, W)`` and the offsets ``(2, H, W)``, y then x, in pixels of the
            image: mirrored and resized back before (`flip_raw_outputs`, `resize_raw_outputs`).
        weights: One for each, > 0; by default all count the same.

    Returns:
        Both means, float32.

    Raises:
        ValueError: If there is none, sizes, devices or the number of weights differ, or a mean is not finite.
        TypeError: If a map does not hold floats.
    """
    heatmaps, ways = Mean("center_heatmap"), Mean("offsets")
    for (heatmap, offsets), weight in weighted(centers, weights, "centers"):
        heatmap, offsets = as_tensor(heatmap, "center_heatmap"), as_tensor(offsets, "offsets")
        check_shape(offsets, "offsets", (2, None, None), "(2, H, W), y then x")
        size = tuple(offsets.shape[1:])
        check_shape(heatmap, "center_heatmap", (1, *size), f"(1, H, W) = {(1, *size)}, as `offsets`")
        heatmaps.add(heatmap, weight)
        ways.add(offsets, weight)
        del heatmap, offsets
    return heatmaps.result(), ways.result()


@torch.no_grad()
def merge_raw_outputs(
    views: Iterable[RawOutputs],
    *,
    weights: Sequence[float] | None = None,
    space: Space = "probabilities",
    nms_threshold: float | None = None,
) -> RawOutputs:
    """Merge views of one image, or several networks, into what a single one would have said.

    Semantic scores as `average_semantics`; heat map, offsets and the spatial ranking map by their mean. Pass
    a generator that mirrors and resizes back, and one view exists at a time.

    Args:
        views: All of one size, with the same fields.
        weights: One for each, > 0; by default all count the same.
        space: As in `average_semantics`.
        nms_threshold: None: instances of the first view alone (UPSNet's rule). In [0, 1]: instances of all
            views, of which a class-wise box NMS keeps the best ones, by falling score (equal scores: the
            earlier view first). A detector that can run its mask head on merged boxes has a better way.

    Returns:
        Float32 maps. `sem_seg` is filled only for a collapsed head (fewer channels than classes), whose thing
        channels then stand for the first thing labels.

    Raises:
        ValueError: If there is no view, sizes, fields or counts differ, a view has a label map but no scores,
            or `affinity` maps, or a mean is NaN or plus infinity.
    """
    first: RawOutputs | None = None
    means: dict[str, Mean] = {}
    instances: list[tuple[BoxMasks, Tensor, Tensor]] = []
    for view, weight in weighted(views, weights, "views"):
        if first is None:
            no_maps: dict[str, Any] = dict.fromkeys((*_MAPS, "sem_seg"))
            first = replace(view, **no_maps)
            means = {name: Mean(name) for name in _MAPS if getattr(view, name) is not None}
            if "sem_logits" in means:
                means["sem_logits"] = SemanticMean(space)
        _check_view(view, first, set(means))
        for name, mean in means.items():
            mean.add(getattr(view, name), weight)
        if view.masks is not None and view.labels is not None and view.scores is not None:
            instances.append((view.masks, view.labels, view.scores))
        del view
    assert first is not None
    maps: dict[str, Any] = {name: mean.result() for name, mean in means.items()}
    merged = replace(first, **maps)
    if merged.sem_logits is not None and merged.sem_logits.shape[0] < merged.num_classes:
        merged.sem_seg = _collapsed_labels(merged)
    if nms_threshold is None or not instances:
        return merged
    masks = BoxMasks.cat([part[0] for part in instances])
    labels, scores = torch.cat([part[1] for part in instances]), torch.cat([part[2] for part in instances])
    kept = nms(masks.boxes, scores, nms_threshold, labels)
    return replace(merged, masks=masks[kept], labels=labels[kept], scores=scores[kept])


def _check_view(view: RawOutputs, first: RawOutputs, names: set[str]) -> None:
    """Raise a ValueError unless a view can be merged with the first one."""
    for name in ("size", "num_things", "num_classes"):
        ours, theirs = getattr(view, name), getattr(first, name)
        if ours != theirs:
            msg = (
                f"Expected all views to have one `{name}`, got {theirs} and {ours}. Bring views back to the "
                "image first: `resize_raw_outputs`."
            )
            raise ValueError(msg)
    if view.sem_seg is not None and view.sem_logits is None:
        msg = "Expected views with `sem_logits`, got a label map alone, which has no mean. Keep the logits."
        raise ValueError(msg)
    if view.affinity is not None:
        msg = (
            "Expected views without `affinity`, whose features have no mean. Set `affinity=None`: a fusion "
            "by affinity then reads the mean of `sem_logits`."
        )
        raise ValueError(msg)
    own = {name for name in _MAPS if getattr(view, name) is not None}
    if own != names or (view.masks is None) != (first.masks is None):
        msg = (
            f"Expected all views to have the same fields, got {sorted(names)} and {sorted(own)}, or masks in "
            "one view only. Take the odd field away."
        )
        raise ValueError(msg)


def _collapsed_labels(raw: RawOutputs) -> Tensor:
    """Return the label map of a head with fewer thing channels than thing classes, ``(H, W)`` int64."""
    assert raw.sem_logits is not None
    missing = raw.num_classes - raw.sem_logits.shape[0]
    winner = label_map_from_logits(raw.sem_logits)
    return torch.where(winner >= raw.num_things - missing, winner + missing, winner)


def _flip_masks(masks: BoxMasks, width: int) -> BoxMasks:
    """Mirror masks in an image of a width."""
    x0, y0, x1, y1 = masks.boxes.unbind(dim=1)
    if masks.whole_crops is None:
        boxes = torch.stack([width - x1, y0, width - x0, y1], dim=1)
        if masks.mask_logits is None:
            return BoxMasks.from_boxes(boxes)
        return BoxMasks.from_logits(masks.mask_logits.flip(-1), boxes)
    windows = torch.from_numpy(masks.host_boxes.copy())
    windows[:, [0, 2]] = width - windows[:, [2, 0]]
    crops = [crop.flip(-1) for crop in masks.whole_crops or ()]
    return BoxMasks.from_crops(crops, windows, device=masks.device)


def _flip_affinity(maps: AffinityMaps, width: int) -> AffinityMaps:
    """Mirror maps whose cells fill an image of a width."""
    reached = maps.grid[1] * maps.stride[1]
    if not math.isclose(reached, width):
        msg = (
            f"Expected the cells of `affinity` to fill the width of the image, {width}, got {maps.grid[1]} "
            f"cells of {maps.stride[1]} pixels. Mirror the network's input instead, or set `affinity=None`."
        )
        raise ValueError(msg)
    names = ("sem_logits", "phi0", "phi1")
    mirrored: dict[str, Any] = {name: maps.tensors[name].flip(-1) for name in names if name in maps.tensors}
    return replace(maps, **mirrored)


def _bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps.float()[None], size=size, mode="bilinear", align_corners=False)[0]


def _nearest(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the label at the pixel centre that lies nearest."""
    rows, columns = (
        ((torch.arange(new, device=labels.device) + 0.5) * (old / new)).long().clamp(max=old - 1)
        for new, old in zip(size, labels.shape, strict=True)
    )
    return labels[rows][:, columns]
