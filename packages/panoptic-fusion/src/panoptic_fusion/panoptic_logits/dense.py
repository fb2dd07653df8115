"""The panoptic logits of UPSNet as one tensor: Xiong et al., CVPR 2019, arXiv:1901.03784, section 3.1.

Written from the paper. For training, and to look at; inference has a form that never builds the tensor,
`argmax_panoptic_logits`.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_bool, check_shape
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.panoptic_logits._planes import (
    Outside,
    check_options,
    mask_logit_values,
    outside_value,
    read_planes,
)
from panoptic_fusion.paste import Window


def dense_panoptic_logits(
    sem_logits: ArrayLike,
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    *,
    num_things: int,
    unknown: bool = True,
    outside: Outside = "zero",
    visible: ArrayLike | None = None,
) -> Tensor:
    """Build ``Z = [X_stuff, X_mask_i + Y_mask_i, unknown]``.

    ``X_mask_i`` is the semantic logit of the instance's class and ``Y_mask_i`` its mask logit, both inside
    its box; ``unknown = max(X_thing) - max(X_mask)``. Differentiable in the semantic and the mask logits;
    needs memory for ``S + N + 1`` maps. It does not look for NaN.

    Args:
        sem_logits: ``X``, ``(C, H, W)`` floats; channels are things first, then stuff.
        masks: ``N`` masks in boxes, in pixels of `sem_logits` (``BoxMasks.from_logits(...).rescale(...)`` for
            another resolution). Crops and ``(N, H, W)`` bool count as logits of +20 and -20.
        labels: ``(N,)`` integer thing ids in ``[0, num_things)``.
        num_things: Number of thing classes ``T``; the other ``S = C - T`` channels are stuff.
        unknown: Append the unknown channel.
        outside: ``"zero"``: ``X_mask`` and ``Y_mask`` are 0 outside the box, as the paper has it: an instance
            competes there, too. ``"-inf"``: its channel is minus infinity there, and ``max(X_mask)`` is over
            the instances whose box covers the pixel, 0 without one.
        visible: ``(N,)`` bool; the other instances have no channel and no part in ``max(X_mask)``: in
            training these are the ones whose pixels are labelled unknown.

    Returns:
        ``(S + N [+ 1], H, W)`` float32 (float64 if `sem_logits` is): stuff, visible instances in input order,
        unknown. Without instances ``max(X_mask)`` is 0.

    Raises:
        ValueError: If counts, shapes, devices, labels or options do not fit, or a box is not finite.
        TypeError: If a dtype does not fit.

    Example:
        >>> sem_logits = torch.tensor([[[2.0, 3.0]], [[1.0, 1.0]]])  # one thing class, one stuff class
        >>> masks = BoxMasks.from_logits(torch.full((1, 2, 2), 4.0), torch.tensor([[-1.0, -1, 1, 2]]))
        >>> dense_panoptic_logits(sem_logits, masks, torch.tensor([0]), num_things=1).tolist()
        [[[1.0, 1.0]], [[6.0, 0.0]], [[0.0, 3.0]]]
    """
    sem_logits, masks, host_labels = read_planes(sem_logits, masks, labels, num_things)
    if visible is not None:
        visible = as_tensor(visible, "visible")
        check_shape(visible, "visible", (len(masks),), f"(N,) = ({len(masks)},), one value for each mask")
        check_bool(visible, "visible")
        rows = visible.nonzero().view(-1).tolist()
        masks, host_labels = masks[rows], [host_labels[i] for i in rows]
    check_options(num_things, sem_logits.shape[0], len(masks), unknown, outside)
    if sem_logits.dtype != torch.float64:
        sem_logits = sem_logits.float()
    things, stuff = sem_logits[:num_things], sem_logits[num_things:]
    height, width = sem_logits.shape[1:]
    values = mask_logit_values(masks, (height, width), sem_logits.dtype)
    planes = []
    for i, (label, (x0, y0, x1, y1)) in enumerate(zip(host_labels, values.windows, strict=True)):
        inside = things[label, y0:y1, x0:x1] + values.read_whole(i)  # (h, w)
        around = (x0, width - x1, y0, height - y1)
        planes.append(F.pad(inside, around, value=outside_value(outside)))
    parts = [stuff, *(plane[None] for plane in planes)]
    if unknown:
        parts.append(
            (things.amax(dim=0) - _best_of_boxes(things, host_labels, values.windows, outside))[None]
        )
    return torch.cat(parts)


def _best_of_boxes(things: Tensor, labels: list[int], windows: list[Window], outside: str) -> Tensor:
    """Return ``max(X_mask)``, ``(H, W)``: over classes with a box at the pixel, and 0 beside any box.

    Instances of one class have the same ``X_mask`` wherever both cover a pixel: the maximum over instances is
    one over classes.
    """
    if not labels:
        return things.new_zeros(things.shape[1:])
    classes = sorted(set(labels))
    covered = torch.zeros(len(classes), *things.shape[1:], dtype=torch.bool, device=things.device)
    times = torch.zeros(things.shape[1:], dtype=torch.int32, device=things.device)
    for label, (x0, y0, x1, y1) in zip(labels, windows, strict=True):
        covered[classes.index(label), y0:y1, x0:x1] = True
        times[y0:y1, x0:x1] += 1
    best = torch.where(covered, things[classes], -torch.inf).amax(dim=0)  # (H, W)
    beside = times < len(labels) if outside == "zero" else times == 0
    return torch.where(beside, best.clamp(min=0), best)
