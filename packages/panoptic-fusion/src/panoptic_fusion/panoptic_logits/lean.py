"""The argmax of UPSNet's panoptic logits without the logits: a running maximum, box by box.

Xiong et al., CVPR 2019, arXiv:1901.03784, section 3.1. An instance's channel differs from 0 inside its box
only. What is 0 there needs one candidate a pixel, the first instance that does not cover it: of equal values
the lowest channel wins. The image is read in strips of rows that stay in the cache.
"""

import torch
from torch import Tensor

from panoptic_fusion._channels import best_channel
from panoptic_fusion._checks import ArrayLike
from panoptic_fusion._windows import is_host
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.panoptic_logits._planes import Outside, check_options, mask_logit_values, read_planes

_PIXELS_AT_ONCE = (1 << 15) - 1  # of a strip on the host: less than PyTorch gives to a second thread
_PIXELS_AT_ONCE_ON_DEVICE = 1 << 23


@torch.no_grad()
def argmax_panoptic_logits(
    sem_logits: ArrayLike,
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    *,
    num_things: int,
    unknown: bool = True,
    outside: Outside = "zero",
) -> Tensor:
    """Return the best channel of `dense_panoptic_logits` at each pixel; equal values: the lowest channel.

    Args:
        sem_logits: As there; half precision is read as float32.
        masks: As there.
        labels: As there.
        num_things: As there.
        unknown: As there.
        outside: As there.

    Returns:
        ``(H, W)`` int32 in ``[0, S + N [+ 1])``: stuff, instances in input order, unknown.

    Raises:
        ValueError: If counts, shapes, devices, labels or options do not fit, or the best logit of the stuff
            or of the things at a pixel is NaN or infinite, or a mask logit or a box is.
        TypeError: If a dtype does not fit.

    Example:
        >>> sem_logits = torch.tensor([[[2.0, 3.0]], [[1.0, 1.0]]])  # one thing class, one stuff class
        >>> masks = BoxMasks.from_logits(torch.full((1, 2, 2), 4.0), torch.tensor([[-1.0, -1, 1, 2]]))
        >>> argmax_panoptic_logits(sem_logits, masks, torch.tensor([0]), num_things=1).tolist()
        [[1, 2]]
    """
    sem_logits, masks, host_labels = read_planes(sem_logits, masks, labels, num_things)
    check_options(num_things, sem_logits.shape[0], len(masks), unknown, outside)
    if not bool(masks.finite().all()):
        msg = "Expected the mask logits to be finite, got NaN or infinity."
        raise ValueError(msg)
    return run_maximum(sem_logits, masks, host_labels, num_things, unknown, outside)[0]


def run_maximum(
    sem_logits: Tensor, masks: BoxMasks, labels: list[int], num_things: int, unknown: bool, outside: str
) -> tuple[Tensor, Tensor]:
    """Return the best channel and the best class of each pixel, ``(H, W)`` int32 and int16."""
    height, width = sem_logits.shape[1:]
    winners = torch.empty(height, width, dtype=torch.int32, device=sem_logits.device)
    classes = torch.empty(height, width, dtype=torch.int16, device=sem_logits.device)
    dtype = torch.float64 if sem_logits.dtype == torch.float64 else torch.float32
    values = mask_logit_values(masks, (height, width), dtype)
    at_once = _PIXELS_AT_ONCE if is_host(sem_logits) else _PIXELS_AT_ONCE_ON_DEVICE
    step = max(1, at_once // max(width, 1))
    seen = []
    for top in range(0, height if width else 0, step):
        strip = _Strip(sem_logits[:, top : top + step].to(dtype), num_things)
        bottom = top + strip.height
        for i, (label, (x0, y0, x1, y1)) in enumerate(zip(labels, values.windows, strict=True)):
            low, high = max(y0, top), min(y1, bottom)
            if low < high and x0 < x1:
                strip.add(i, label, (x0, low - top, x1, high - top), values.read(i, low, high))
            if y1 <= bottom:
                values.forget(i)
        winners[top:bottom] = strip.finish(len(labels), unknown, outside)
        classes[top:bottom] = strip.classes
        seen.append(strip.range())
    if seen and not bool(torch.stack(seen).isfinite().all()):
        msg = "Expected `sem_logits` to be finite, got NaN or infinity as the best logit of a pixel."
        raise ValueError(msg)
    return winners, classes


class _Strip:
    """Some rows of the image: the best value so far, and what the last two candidates need.

    Attributes:
        height: Number of rows.
        classes: ``(h, W)`` int16, the best of all semantic classes, things first.
    """

    def __init__(self, sem_logits: Tensor, num_things: int) -> None:
        num_classes, self.height, _ = sem_logits.shape
        self._things = sem_logits[:num_things]
        self._num_stuff = num_classes - num_things
        self._best, self._winner = best_channel(sem_logits[num_things:])
        self._best_thing, best_label = best_channel(self._things)
        self._best_stuff_range = self._range_of(self._best, self._num_stuff)
        stuff_label = self._winner + num_things
        self.classes = torch.where(self._best_thing >= self._best, best_label, stuff_label).short()
        self._best_in_boxes = torch.full_like(self._best, -torch.inf)  # max(X_mask), of covering instances
        self._first_beside = torch.zeros_like(self._winner)  # the first instance that does not cover

    def add(self, i: int, label: int, window: tuple[int, int, int, int], mask_logits: Tensor) -> None:
        """Let instance `i` compete inside its box; instances come in rising order.

        Args:
            i: Its number.
            label: Its class.
            window: Of the box, in pixels of this strip.
            mask_logits: ``(h, w)``.
        """
        x0, y0, x1, y1 = window
        place = slice(y0, y1), slice(x0, x1)
        sem_logits = self._things[label][place]
        logits = mask_logits.add_(sem_logits)
        best, in_boxes, beside = self._best[place], self._best_in_boxes[place], self._first_beside[place]
        self._winner[place].masked_fill_(logits > best, self._num_stuff + i)
        torch.maximum(best, logits, out=best)
        torch.maximum(in_boxes, sem_logits, out=in_boxes)
        beside += beside == i

    def finish(self, count: int, unknown: bool, outside: str) -> Tensor:
        """Let the values outside boxes and the unknown channel compete; return the winners, ``(h, W)``."""
        in_boxes = self._best_in_boxes
        if outside == "zero" and count:
            is_beside = self._first_beside < count
            beside = self._first_beside + self._num_stuff
            earlier = (self._best == 0) & (beside < self._winner)
            zero_wins = is_beside & ((self._best < 0) | earlier)
            self._winner = torch.where(zero_wins, beside, self._winner)
            self._best.masked_fill_(zero_wins, 0)
        else:
            is_beside = in_boxes == -torch.inf
        if unknown:
            in_boxes = torch.where(is_beside, in_boxes.clamp(min=0), in_boxes)
            self._winner.masked_fill_(self._best_thing - in_boxes > self._best, self._num_stuff + count)
        return self._winner

    def range(self) -> Tensor:
        """Return the lowest and highest of the best logits, of stuff and of things, ``(4,)``."""
        return torch.cat([self._best_stuff_range, self._range_of(self._best_thing, len(self._things))])

    @staticmethod
    def _range_of(best: Tensor, count: int) -> Tensor:
        return torch.stack(torch.aminmax(best)) if count else best.new_zeros(2)
