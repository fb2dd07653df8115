"""Fusion by affinity: the inference of Li et al., CVPR 2020, arXiv:2001.04982, sections 3.4 and B.

Written from the paper, which has no public code: an argmax of the revised potential, no heuristic. Its
reported numbers drop small stuff at a limit that is not printed: `stuff_area_limit`, off by default.
"""

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._channels import VOID, segments_from_channels
from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_choice,
    check_count,
    check_sem_logits,
    check_size,
)
from panoptic_fusion._instances import Instances, read_instances
from panoptic_fusion._mask_values import MaskValues
from panoptic_fusion._windows import is_host
from panoptic_fusion.affinity.maps import AffinityMaps, count_known, read_features, read_strides
from panoptic_fusion.affinity.potential import FORMS, Form, Potential
from panoptic_fusion.affinity.revision import best_channels
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.precision import full_precision
from panoptic_fusion.segmentation import PanopticSegmentation

_VALUES_AT_ONCE = (1 << 15) - 1  # less than PyTorch gives to a second thread


@torch.no_grad()
def fuse_by_affinity(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    sem_logits: ArrayLike,
    phi0: ArrayLike | None = None,
    phi1: ArrayLike | None = None,
    *,
    num_things: int,
    gamma: float | Tensor = 1.0,
    form: Form = "product",
    score_threshold: float = 0.5,
    size: tuple[int, int] | None = None,
    stride: float | tuple[float, float] | None = None,
    stuff_area_limit: int = 0,
) -> PanopticSegmentation:
    """Give each pixel to the best channel of the potential that the affinity has revised.

    1. Detections with ``score > score_threshold``, the best first (equal scores: the lower index first).
    2. `dynamic_potential` of the softmax of `sem_logits` and the sigmoid of the masks (logits as they are for
       ``"logit_sum"``), revised by `apply_affinity`, at the resolution of `sem_logits`.
    3. The best channel at each pixel after bilinear upsampling; equal values: the better
       detection, stuff last.
    4. Stuff below `stuff_area_limit` becomes void; nothing else ever is.

    Where the result is larger than `sem_logits` it keeps one small map a channel; else some rows of each.

    Args:
        masks: ``N`` instance masks in pixels of the result, or ``(N, H, W)`` bool. With ``form="mask_free"``
            only their boxes count: `BoxMasks.from_boxes` of a network without mask head will do.
        labels: ``(N,)`` integer thing ids in ``[0, num_things)``.
        scores: ``(N,)`` floats.
        sem_logits: ``(C, h, w)`` floats before the softmax, things first, then stuff; the paper's maps have a
            quarter of the image's resolution.
        phi0: ``(D, h, w)``, see `apply_affinity`; None: no affinity, the potential itself (the paper's C2).
        phi1: ``(D, h, w)``.
        num_things: Number of thing classes.
        gamma: See `apply_affinity`.
        form: See `dynamic_potential`; ``"product"`` by default (Cityscapes; COCO: ``"sum"``).
        score_threshold: Any finite number; 0.5 by default (Cityscapes; COCO: 0.75).
        size: ``(H, W)`` of the result; by default that of `sem_logits`.
        stride: Pixels of the result in a cell of `sem_logits`, or those of y and x, whose last cells may be
            padding: cells whose centre lies beyond the result are not read. By default the cells fill the
            result.
        stuff_area_limit: Pixels >= 0; 0 by default (not printed in the paper).

    Returns:
        The map on the device of the inputs. Ids count from 1: things by falling score, then stuff by class.

    Raises:
        ValueError: If counts, shapes, devices, labels, thresholds or options do not fit, or a score or a
            value is NaN or infinite.
        TypeError: If a dtype does not fit.

    Example:
        >>> masks = torch.tensor([[[1, 1, 0]]], dtype=torch.bool)
        >>> sem_logits = torch.tensor([[[4.0, 4.0, -4.0]], [[0.0, 0.0, 0.0]]])  # one thing class, one stuff
        >>> parts = masks, torch.tensor([0]), torch.tensor([0.9]), sem_logits
        >>> fuse_by_affinity(*parts, num_things=1).id_map.tolist()
        [[1, 1, 2]]
    """
    check_choice(form, "form", FORMS)
    check_count(stuff_area_limit, "stuff_area_limit")
    check_count(num_things, "num_things")
    sem_logits = as_tensor(sem_logits, "sem_logits")
    check_sem_logits(sem_logits, num_things)
    grid = sem_logits.shape[1], sem_logits.shape[2]
    size = grid if size is None else check_size(size)
    strides = read_strides(size, grid, stride)
    phi0, phi1 = read_features(phi0, phi1, grid, sem_logits.device)
    # The padding of a batch goes first: neither the affinity nor the upsampling at the rim reads it.
    rows, columns = (
        max(min(cells, 1), count_known(pixels, own, cells))
        for pixels, own, cells in zip(size, strides, grid, strict=True)
    )
    sem_logits, grid = sem_logits[:, :rows, :columns], (rows, columns)
    features = None
    if phi0 is not None and phi1 is not None:
        features = phi0[:, :rows, :columns].float(), phi1[:, :rows, :columns].float()
    instances = read_instances(
        masks,
        labels,
        scores,
        size=size,
        device=sem_logits.device,
        num_things=num_things,
        score_threshold=score_threshold,
        beside="sem_logits",
        needs_masks=form != "mask_free",
    )
    order = [i for i in instances.order if instances.scores[i] > np.float32(score_threshold)]
    potential = _make_potential(instances, order, sem_logits, strides, num_things, form)
    stuff = np.arange(num_things, len(sem_logits))
    channel_labels = np.concatenate([instances.labels[order], stuff]).astype(np.int64)
    channel_scores = np.concatenate([instances.scores[order], np.ones(len(stuff))])
    if not len(channel_labels) or not sem_logits[0].numel():
        winners = torch.zeros(size, dtype=torch.int32, device=sem_logits.device)
        channel_labels, channel_scores = np.array([VOID]), np.zeros(1)
    else:
        with full_precision(sem_logits):
            winners = best_channels(potential, grid, features, gamma, size, strides)
    return segments_from_channels(
        winners, channel_labels, channel_scores, num_things=num_things, stuff_area_limit=stuff_area_limit
    )


def fuse_by_affinity_maps(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    maps: AffinityMaps,
    *,
    num_things: int,
    size: tuple[int, int],
    affinity: bool = True,
    form: Form = "product",
    score_threshold: float = 0.5,
    stuff_area_limit: int = 0,
) -> PanopticSegmentation:
    """Do what `fuse_by_affinity` does with what a network says of an image on its own grid.

    Args:
        masks: As there, like all others that are not named here.
        labels: ``(N,)``.
        scores: ``(N,)``.
        maps: See `RawOutputs.affinity_maps`.
        num_things: Number of thing classes.
        size: ``(H, W)`` of the image.
        affinity: False: the potential itself, also of a network that has an affinity.
        form: See `dynamic_potential`.
        score_threshold: 0.5 by default.
        stuff_area_limit: 0 by default.
    """
    maps = maps if affinity else maps.without_affinity()
    return fuse_by_affinity(
        masks,
        labels,
        scores,
        maps.sem_logits,
        maps.phi0,
        maps.phi1,
        num_things=num_things,
        gamma=maps.gamma,
        form=form,
        score_threshold=score_threshold,
        size=size,
        stride=maps.stride,
        stuff_area_limit=stuff_area_limit,
    )


def _make_potential(
    instances: Instances,
    order: list[int],
    sem_logits: Tensor,
    strides: tuple[float, float],
    num_things: int,
    form: str,
) -> Potential:
    """Return the potential of the chosen detections at the resolution of the maps."""
    grid = sem_logits.shape[1], sem_logits.shape[2]
    masks = instances.reader.masks[order]
    if strides != (1.0, 1.0):
        masks = masks.rescale(1 / strides[1], 1 / strides[0])
    cells, crop_values, log_total = masks.mask_logits, (-20.0, 20.0), None
    if form != "logit_sum":
        cells, crop_values = None if cells is None else cells.float().sigmoid(), (0.0, 1.0)
        log_total = _log_total(sem_logits)
    values = MaskValues(masks, grid, cells=cells, crop_values=crop_values)
    return Potential(
        sem_logits,
        values.windows,
        instances.labels[order].tolist(),
        torch.from_numpy(instances.scores[order]).to(sem_logits.device),
        None if form == "mask_free" else values,
        num_things=num_things,
        form=form,
        log_total=log_total,
    )


def _log_total(logits: Tensor) -> Tensor:
    """Return the logarithm of the sum of exponentials over the channels, ``(h, w)`` float32."""
    if not is_host(logits):
        return logits.float().logsumexp(dim=0)
    total = torch.empty(logits.shape[1:])
    step = max(1, _VALUES_AT_ONCE // max(logits.shape[0] * logits.shape[2], 1))
    for top in range(0, logits.shape[1], step):
        piece = logits[:, top : top + step].detach().float().numpy()
        highest = piece.max(axis=0)
        with np.errstate(invalid="ignore"):  # infinite logits become NaN, which is an error later
            summed = np.exp(piece - highest).sum(axis=0)
        total[top : top + step] = torch.from_numpy(np.log(summed) + highest)
    return total
