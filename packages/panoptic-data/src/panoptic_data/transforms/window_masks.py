"""Instance masks that MMDetection takes for its ``BitmapMasks``, at the cost of their boxes.

``BitmapMasks`` hold one full-size array a mask: 60 masks of a 1024x2048 image are 126 MB, which a loader
worker pickles, padding copies, and every mask target turns into floats once more. These hold what lies
inside each tight box and make the full arrays only when somebody asks for them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.structures.mask import BitmapMasks
from numpy.typing import NDArray
from torch import Tensor

_MARGIN = 2  # pixels around a window that bilinear sampling may touch


class WindowMasks(BitmapMasks):
    """``N`` masks of one image, each kept in its window.

    Args:
        crops: ``N`` arrays ``(h, w)``, bool or 0/1 uint8: the mask inside its window.
        windows: ``(N, 4)`` integers, xyxy, half-open, inside the image.
        height: Of the image.
        width: Of the image.
    """

    def __init__(self, crops: Sequence[NDArray], windows: NDArray[np.int64], height: int, width: int) -> None:
        self.crops = [np.ascontiguousarray(crop, dtype=np.uint8) for crop in crops]
        self.windows = np.asarray(windows, dtype=np.int64).reshape(-1, 4)
        self.height = height
        self.width = width

    @property
    def masks(self) -> NDArray[np.uint8]:
        """The full masks ``(N, H, W)`` uint8; made anew at each call."""
        full = np.zeros((len(self), self.height, self.width), dtype=np.uint8)
        for mask, crop, (x0, y0, x1, y1) in zip(full, self.crops, self.windows, strict=True):
            mask[y0:y1, x0:x1] = crop
        return full

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of each mask ``(N,)``."""
        return np.array([crop.sum(dtype=np.int64) for crop in self.crops], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: Any) -> "WindowMasks":
        if isinstance(index, Tensor):
            index = index.cpu().numpy()
        rows = np.atleast_1d(np.arange(len(self))[index])
        return WindowMasks([self.crops[row] for row in rows], self.windows[rows], self.height, self.width)

    @classmethod
    def cat(cls, masks: Sequence[BitmapMasks]) -> BitmapMasks:
        """Join masks of one image size; windows stay windows where all parts have them."""
        windowed = [part for part in masks if isinstance(part, WindowMasks)]
        if not masks or len(windowed) < len(masks):
            return BitmapMasks.cat(masks)
        crops = [crop for part in windowed for crop in part.crops]
        windows = np.concatenate([part.windows for part in windowed])
        return cls(crops, windows, masks[0].height, masks[0].width)

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> BitmapMasks:
        """Return the masks of an image that grew to the right and the bottom, ``out_shape = (H, W)``."""
        if pad_val == 0 and out_shape[0] >= self.height and out_shape[1] >= self.width:
            return WindowMasks(self.crops, self.windows, out_shape[0], out_shape[1])
        return super().pad(out_shape, pad_val=pad_val)

    def crop_and_resize(
        self,
        bboxes: NDArray | Tensor,
        out_shape: tuple[int, int],
        inds: NDArray | Tensor,
        device: Any = "cpu",
        interpolation: str = "bilinear",
        binarize: bool = True,
    ) -> BitmapMasks:
        """Resample mask ``inds[k]`` inside box ``k``: the mask targets of a RoI head.

        As MMDetection's (RoIAlign of the full mask with as many samples as pixels, then ``>= 0.5``), but each
        mask is read in its window, and rows and columns are averaged one after the other.

        Args:
            bboxes: ``(K, 4)`` xyxy.
            out_shape: ``(h, w)`` of the result.
            inds: ``(K,)``, which mask each box reads.
            device: Kept for the interface: the result is on the host, and so is the work.
            interpolation: Kept for the interface; RoIAlign is bilinear.
            binarize: Whether to return bool masks instead of coverage in ``[0, 1]``.

        Returns:
            ``K`` masks of `out_shape`.
        """
        boxes = _on_host(bboxes).astype(np.float64).reshape(-1, 4)
        owners = _on_host(inds)
        targets = np.zeros((len(boxes), *out_shape), dtype=np.float32)
        for index in np.unique(owners).tolist() if len(self) else []:
            mine = np.flatnonzero(owners == index)
            crop, (x0, y0) = self._with_margin(index)
            rows = _averages(boxes[mine, 1] - y0, boxes[mine, 3] - y0, out_shape[0], crop.shape[0])
            columns = _averages(boxes[mine, 0] - x0, boxes[mine, 2] - x0, out_shape[1], crop.shape[1])
            targets[mine] = (rows @ crop.astype(np.float64)) @ columns.transpose(0, 2, 1)  # (k, h, w)
        # Half covered is covered: sums that are a half must not fall below it by rounding.
        return BitmapMasks(targets >= 0.5 - 1e-6 if binarize else targets, *out_shape)

    def _with_margin(self, index: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Return a mask with the empty pixels around it that the image has, and where that begins."""
        x0, y0, x1, y1 = self.windows[index].tolist()
        left, top = min(x0, _MARGIN), min(y0, _MARGIN)
        right, bottom = min(self.width - x1, _MARGIN), min(self.height - y1, _MARGIN)
        return np.pad(self.crops[index], ((top, bottom), (left, right))), (x0 - left, y0 - top)


def _on_host(values: NDArray | Tensor) -> NDArray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _averages(
    starts: NDArray[np.float64], ends: NDArray[np.float64], bins: int, length: int
) -> NDArray[np.float64]:
    """Return what RoIAlign takes from each pixel of a line, ``(k, bins, length)``, for ``k`` intervals.

    A bin is the mean of one sample a pixel; a sample is linear between pixel centers, takes the first or last
    pixel's value up to a pixel outside, and is 0 beyond. RoIAlign's samples form a grid and are bilinear, so
    rows and columns separate exactly.
    """
    count = len(starts)
    samples = np.ceil((ends - starts) / bins).clip(min=0).astype(np.int64)  # (k,) a bin
    box = np.repeat(np.arange(count), samples * bins)  # of each sample (S,)
    number = np.arange(len(box)) - np.repeat(np.cumsum(samples * bins) - samples * bins, samples * bins)
    step = (ends - starts)[box] / (samples[box] * bins)
    position = starts[box] - 0.5 + (number + 0.5) * step
    inside = ((position >= -1) & (position <= length)) / samples[box]
    position = position.clip(0, length - 1)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    part = position - low
    line = (box * bins + number // samples[box]) * length
    weights: NDArray[np.float64] = np.zeros(count * bins * length)
    weights += np.bincount(line + low, inside * (1 - part), minlength=len(weights))
    weights += np.bincount(line + high, inside * part, minlength=len(weights))
    return weights.reshape(count, bins, length)
