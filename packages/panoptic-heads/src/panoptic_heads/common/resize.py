"""From a head's grid to an image: class scores and their winner, with bounded memory."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


class Sizes(NamedTuple):
    """Heights and widths on the way from a head's grid to an image.

    Attributes:
        padded: Of the padded input, which the grid covers evenly.
        image: Of the image in it, at the upper left corner.
        output: Of the result, the image's own resolution.
    """

    padded: tuple[int, int]
    image: tuple[int, int]
    output: tuple[int, int]


def resize_logits(logits: Tensor, sizes: Sizes, *, align_corners: bool = False) -> Tensor:
    """Resize class scores ``(C, h, w)`` from a head's grid to an image ``(C, H, W)``, padding cut off.

    Args:
        logits: On the head's grid.
        sizes: From the grid to the image.
        align_corners: The grid's corner cells lie on the corner pixels of the padded input; else its cells
            tile the input. The image itself is resized by pixel centres in both cases.
    """
    resized = _bilinear(logits, sizes.padded, align_corners)[:, : sizes.image[0], : sizes.image[1]]
    return _bilinear(resized, sizes.output)


def resize_winner(
    logits: Tensor, sizes: Sizes, *, channels_at_once: int = 8, align_corners: bool = False
) -> Tensor:
    """Return the winning channel of :func:`resize_logits` without holding all its channels.

    Args:
        logits: ``(C, h, w)``.
        sizes: From the grid to the image.
        channels_at_once: How many channels are resized at a time: the memory is that many maps of the output.
        align_corners: As in :func:`resize_logits`.

    Returns:
        ``(H, W)`` int64; of equal scores the lowest channel wins.
    """
    best: Tensor | None = None
    winner = torch.zeros(sizes.output, dtype=torch.int64, device=logits.device)
    for start in range(0, logits.shape[0], channels_at_once):
        scores = resize_logits(logits[start : start + channels_at_once], sizes, align_corners=align_corners)
        chunk_best, chunk_winner = scores.max(dim=0)
        if best is None:
            best, winner = chunk_best, chunk_winner
            continue
        better = chunk_best > best
        winner = torch.where(better, chunk_winner + start, winner)
        best = torch.where(better, chunk_best, best)
    return winner


def _bilinear(maps: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Resize ``(C, h, w)``; pixel centres are at i + 0.5, as for masks in boxes, or corners are aligned."""
    if maps.shape[1:] == torch.Size(size):
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=align_corners)[0]
