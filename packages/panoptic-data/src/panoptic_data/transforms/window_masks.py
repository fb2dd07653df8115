"""Instance masks that MMDetection takes for its ``BitmapMasks``, at the cost of their boxes.

``BitmapMasks`` hold one full-size array a mask: 60 masks of a 1024x2048 image are 126 MB, which a loader
worker pickles, padding copies, and every mask target turns into floats once more. These hold what lies
inside each tight box and make the full arrays only when somebody asks for them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
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
        device: str | torch.device = "cpu",
        interpolation: str = "bilinear",
        binarize: bool = True,
    ) -> BitmapMasks:
        """Resample mask ``inds[k]`` inside box ``k``: the mask targets of a RoI head.

        As MMDetection's (RoIAlign of the full mask, then ``>= 0.5``), but each mask is read in its window.

        Args:
            bboxes: ``(K, 4)`` xyxy.
            out_shape: ``(h, w)`` of the result.
            inds: ``(K,)``, which mask each box reads.
            device: Where to compute.
            interpolation: Kept for the interface; RoIAlign is bilinear.
            binarize: Whether to return bool masks instead of coverage in ``[0, 1]``.

        Returns:
            ``K`` masks of `out_shape`.
        """
        from mmcv.ops import roi_align

        boxes = torch.as_tensor(bboxes, device=device)
        owners = torch.as_tensor(inds, device=device)
        targets = boxes.new_zeros((len(boxes), *out_shape))
        for index in torch.unique(owners).tolist() if len(self) else []:
            mine = torch.nonzero(owners == index).flatten()
            crop, (x0, y0) = self._with_margin(index)
            rois = torch.cat([boxes.new_zeros((len(mine), 1)), boxes[mine]], dim=1)  # (k, 5)
            rois[:, 1:] -= boxes.new_tensor([x0, y0, x0, y0])
            mask = torch.from_numpy(crop).to(device=device, dtype=boxes.dtype)[None, None]
            targets[mine] = roi_align(mask, rois, out_shape, 1.0, 0, "avg", True).squeeze(1)
        resized = (targets >= 0.5 if binarize else targets).cpu().numpy()
        return BitmapMasks(resized, *out_shape)

    def _with_margin(self, index: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Return a mask with the empty pixels around it that the image has, and where that begins."""
        x0, y0, x1, y1 = self.windows[index].tolist()
        left, top = min(x0, _MARGIN), min(y0, _MARGIN)
        right, bottom = min(self.width - x1, _MARGIN), min(self.height - y1, _MARGIN)
        return np.pad(self.crops[index], ((top, bottom), (left, right))), (x0 - left, y0 - top)
