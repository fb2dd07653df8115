"""The best class of every pixel, several times faster on a CPU than a reduction over the channels."""

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_shape

_PIXELS_AT_ONCE = 1 << 15  # of all running values together, so that they stay in the cache


@torch.no_grad()
def label_map_from_logits(sem_logits: ArrayLike) -> Tensor:
    """Return the class with the highest logit at each pixel.

    Args:
        sem_logits: ``(C, H, W)`` floats, things first; also probabilities. Minus infinity is allowed: such a
            class never wins.

    Returns:
        ``(H, W)`` int64 in ``[0, C)`` on the device of the logits; equal logits: the lowest class.

    Raises:
        ValueError: If there is no class, or a pixel holds NaN, plus infinity, or only minus infinity.
        TypeError: If the logits are not floats.

    Example:
        >>> label_map_from_logits(torch.tensor([[[1.0, 2.0, 5.0]], [[3.0, 2.0, 4.0]]])).tolist()
        [[1, 0, 0]]
    """
    sem_logits = as_tensor(sem_logits, "sem_logits")
    check_shape(sem_logits, "sem_logits", (None, None, None), "(C, H, W)")
    if not sem_logits.is_floating_point():
        msg = f"Expected `sem_logits` to be floats, got {sem_logits.dtype}. A label map needs no argmax."
        raise TypeError(msg)
    classes, height, width = sem_logits.shape
    if classes == 0:
        msg = f"Expected `sem_logits` to have at least one class, got {tuple(sem_logits.shape)}."
        raise ValueError(msg)
    if sem_logits.device.type != "cpu":
        best, labels = sem_logits.max(dim=0)
        _check_best(bool(best.isfinite().all()))
        return labels
    labels = torch.empty(height, width, dtype=torch.int64)
    rows = max(1, _PIXELS_AT_ONCE // max(width, 1))
    for top in range(0, height, rows):
        piece = slice(top, top + rows)
        labels[piece] = torch.from_numpy(_best_of_rows([channel[piece] for channel in sem_logits]))
    return labels


def _best_of_rows(channels: list[Tensor]) -> np.ndarray:
    """Return the best channel of each pixel of some rows, by a running maximum."""
    best = _readable(channels[0]).copy()
    winner = np.zeros(best.shape, dtype=np.uint8 if len(channels) <= 256 else np.int32)
    claim = np.empty_like(winner)
    higher = np.empty(best.shape, dtype=bool)
    for number, channel in enumerate(channels[1:], start=1):
        values = _readable(channel)
        np.greater(values, best, out=higher)
        np.maximum(values, best, out=best)  # NaN stays to the end
        np.multiply(higher, winner.dtype.type(number), out=claim)
        np.maximum(winner, claim, out=winner)  # numbers rise: the last higher one wins
    _check_best(bool(np.isfinite(best).all()))
    return winner


def _readable(values: Tensor) -> np.ndarray:
    """Return values as an array; halves, which NumPy lacks or handles slowly, as float32."""
    return (values.float() if values.dtype in (torch.float16, torch.bfloat16) else values).numpy()


def _check_best(finite: bool) -> None:
    if not finite:
        msg = "Expected `sem_logits` to be finite, got NaN or infinity as the best logit of a pixel."
        raise ValueError(msg)
