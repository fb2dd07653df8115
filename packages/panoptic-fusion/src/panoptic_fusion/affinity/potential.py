"""The dynamic potential: Li et al., Unifying Training and Inference for Panoptic Segmentation, CVPR 2020.

arXiv:2001.04982, section 3.4.1, equations 1 and 2. Written from the paper, which has no public code. The
paper draws stuff as full-image boxes; a stuff channel is the semantic probability alone, in every form.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_choice,
    check_count,
    check_device,
    check_finite,
    check_integer,
    check_label_range,
    check_sem_logits,
    check_shape,
)
from panoptic_fusion._mask_values import MaskValues
from panoptic_fusion._windows import is_host
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.paste import Window, paste_windows

Form: TypeAlias = Literal["product", "sum", "logit_sum", "mask_free"]
"""How a detection's channel is made of its score, the semantic map and its mask."""

FORMS = ("product", "sum", "logit_sum", "mask_free")


def dynamic_potential(
    sem_probs: ArrayLike,
    boxes: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike | None = None,
    mask_probs: ArrayLike | None = None,
    *,
    num_things: int,
    form: Form = "product",
) -> Tensor:
    """Build the potential: one channel for each detection, then one for each stuff class.

    A stuff channel is ``V(c)``. A detection's channel is 0 outside its box, and inside it

    - ``"product"`` (the paper's variant B): ``s * V(c) * M``;
    - ``"sum"`` (C): ``s * (V(c) + M)``;
    - ``"mask_free"``: ``s * V(c)``; so are the first two without `mask_probs`;
    - ``"logit_sum"`` (A, UPSNet's): ``V(c) + M``, of logits and without the score: pass logits for both.

    Differentiable in `sem_probs`, `scores` and `mask_probs`: the panoptic loss reaches the box classifier
    through the scores. Boxes get no gradient. It does not look for NaN.

    Args:
        sem_probs: ``V``, ``(C, H, W)``; channels are things first, then stuff.
        boxes: ``(D, 4)`` xyxy in pixels of `sem_probs`, half-open.
        labels: ``(D,)`` integer thing ids in ``[0, num_things)``.
        scores: ``(D,)``; None stands for 1 (detections from ground truth).
        mask_probs: ``(D, M, M)`` relative to the boxes, read as masks are pasted; None: no mask head.
        num_things: Number of thing classes ``T``; the other ``S = C - T`` channels are stuff.
        form: See above.

    Returns:
        ``(D + S, H, W)`` float32 (float64 if `sem_probs` is): detections in input order, then stuff.

    Raises:
        ValueError: If counts, shapes, devices, labels or options do not fit, a box is not finite, or
            ``"logit_sum"`` has no masks.
        TypeError: If a dtype does not fit.

    Example:
        >>> sem_probs = torch.tensor([[[0.75, 0.25]], [[0.25, 0.75]]])  # one thing class, one stuff class
        >>> boxes, labels, scores = torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([0]), torch.tensor([0.5])
        >>> dynamic_potential(sem_probs, boxes, labels, scores, num_things=1).tolist()
        [[[0.375, 0.0]], [[0.25, 0.75]]]
    """
    check_choice(form, "form", FORMS)
    check_count(num_things, "num_things")
    sem_probs, boxes = as_tensor(sem_probs, "sem_probs"), as_tensor(boxes, "boxes")
    check_sem_logits(sem_probs, num_things, "sem_probs")
    labels = as_tensor(labels, "labels")
    check_shape(labels, "labels", (None,), "(D,)")
    count = labels.numel()
    check_shape(boxes, "boxes", (count, 4), f"(D, 4) = ({count}, 4), one box for each label")
    given = {"labels": labels, "boxes": boxes}
    if scores is not None:
        given["scores"] = scores = as_tensor(scores, "scores")
        check_shape(scores, "scores", (count,), f"(D,) = ({count},), one value for each label")
    if mask_probs is not None:
        given["mask_probs"] = mask_probs = as_tensor(mask_probs, "mask_probs")
        check_shape(mask_probs, "mask_probs", (count, None, None), f"(D, M, M), D = {count}")
    for name, tensor in given.items():
        check_device(tensor, name, sem_probs.device, "sem_probs")
    host_labels: list[int] = []
    if count:
        check_integer(labels, "labels")
        host_labels = labels.tolist()
        check_label_range(min(host_labels), max(host_labels), num_things)
    if sem_probs.dtype != torch.float64:
        sem_probs = sem_probs.float()
    size = sem_probs.shape[1], sem_probs.shape[2]
    host_boxes = boxes.detach().float().cpu().numpy()
    check_finite(host_boxes, "boxes")
    masks = None
    if mask_probs is not None and form != "mask_free":
        cells = mask_probs.to(sem_probs.dtype)
        boxed = BoxMasks(boxes.detach().float(), mask_logits=cells, host_boxes=host_boxes)
        masks = MaskValues(boxed, size, cells=cells, crop_values=(0.0, 1.0))
    windows = paste_windows(host_boxes, size).tolist() if masks is None else masks.windows
    weights = None if scores is None else scores.to(sem_probs.dtype)
    potential = Potential(sem_probs, windows, host_labels, weights, masks, num_things=num_things, form=form)
    return potential.channels(0, len(potential))


class Potential:
    """The channels of a potential, made when they are asked for."""

    def __init__(
        self,
        sem_values: Tensor,
        windows: Sequence[Window],
        labels: list[int],
        scores: Tensor | None,
        masks: MaskValues | None,
        *,
        num_things: int,
        form: str,
        log_total: Tensor | None = None,
    ) -> None:
        """Hold what the channels are made of.

        Args:
            sem_values: ``(C, H, W)`` probabilities, or logits.
            windows: ``D`` boxes in whole pixels.
            labels: ``D`` thing ids.
            scores: ``(D,)``, None for 1.
            masks: What detections have inside their windows; None without masks.
            num_things: Number of thing classes.
            form: See `Form`.
            log_total: ``(H, W)``, the logarithm of the sum of exponentials of `sem_values`: these are then
                logits whose softmax is meant.
        """
        if form == "logit_sum" and masks is None:
            msg = 'Expected masks with form="logit_sum", got none. "mask_free" needs none.'
            raise ValueError(msg)
        self._sem_values, self._log_total = sem_values, log_total
        self._windows, self._labels, self._scores, self._masks = windows, labels, scores, masks
        self._num_things, self._form = num_things, form

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self._labels) + len(self._sem_values) - self._num_things

    @property
    def device(self) -> torch.device:
        """Where the channels are made."""
        return self._sem_values.device

    def channels(self, first: int, last: int) -> Tensor:
        """Return the channels from `first` to below `last`, ``(n, H, W)``."""
        height, width = self._sem_values.shape[1:]
        planes = []
        for channel in range(first, last):
            x0, y0, x1, y1 = self.window(channel)
            inside = self.inside(channel, y0, y1)
            self.forget(channel)
            planes.append(F.pad(inside, (x0, width - x1, y0, height - y1)))
        return torch.stack(planes) if planes else self._sem_values.new_zeros(0, height, width)

    def window(self, channel: int) -> Window:
        """Return where a channel is not 0: the box of a detection, everything for stuff."""
        if channel < len(self._labels):
            return self._windows[channel]
        return 0, 0, self._sem_values.shape[2], self._sem_values.shape[1]

    def inside(self, channel: int, top: int, bottom: int) -> Tensor:
        """Return the rows of a channel from `top` to `bottom`, inside its window, ``(n, w)``."""
        x0, _, x1, _ = self.window(channel)
        if channel >= len(self._labels):
            return self._semantic(channel - len(self._labels) + self._num_things, (x0, top, x1, bottom))
        values = self._semantic(self._labels[channel], (x0, top, x1, bottom))
        if self._masks is not None:
            mask = self._masks.read(channel, top, bottom)
            values = values * mask if self._form == "product" else values + mask
        if self._scores is not None and self._form != "logit_sum":
            values = self._scores[channel] * values
        return values

    def forget(self, channel: int) -> None:
        """Free what reading a channel has kept."""
        if self._masks is not None:
            self._masks.forget(channel)

    def _semantic(self, label: int, window: Window) -> Tensor:
        """Return ``V(label)`` in a window, ``(h, w)``."""
        x0, y0, x1, y1 = window
        values = self._sem_values[label, y0:y1, x0:x1]
        if self._log_total is None:
            return values
        exponents = values.to(self._log_total.dtype) - self._log_total[y0:y1, x0:x1]
        if is_host(exponents) and not exponents.requires_grad:
            return torch.from_numpy(np.exp(exponents.numpy()))  # PyTorch gives even little to a second thread
        return exponents.exp()
