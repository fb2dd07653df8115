"""Instance masks that live in boxes: nothing of the size instances x pixels is ever made."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_bool,
    check_device,
    check_finite,
    check_integer,
    check_shape,
    check_size,
)
from panoptic_fusion._windows import (
    all_finite,
    clip_windows,
    copy_crop,
    count_true,
    float_pieces,
    picked_rows,
    rescale_crop,
    tight_windows,
)
from panoptic_fusion.paste import Window, paste_masks, paste_windows, resample_mask


class BoxMasks:
    """``N`` masks, each known inside a box only.

    Three forms, made by `from_logits`, by `from_crops` or `from_full`, and by `from_boxes`:

    - *logits*: ``(N, M, M)`` mask logits relative to float boxes, as a mask head predicts them. A mask is
      read at any image size by the pasting rule of `panoptic_fusion.paste`.
    - *crops*: bool masks in whole-pixel windows, as annotations are. Outside its window a mask is empty.
    - *boxes*: float boxes of a network without mask head. Their masks are not known (a full box would be a
      guess): whatever reads one raises a ValueError.

    Treat it as immutable. The boxes are copied to the host once, when a window is first asked for.

    Example:
        >>> boxes = torch.tensor([[1.0, 0.0, 3.0, 1.0]])
        >>> masks = BoxMasks.from_logits(torch.full((1, 2, 2), 9.0), boxes)
        >>> masks.window(0, (2, 4)), masks.areas((2, 4)).tolist()
        ((1, 0, 3, 1), [2])
    """

    def __init__(
        self,
        boxes: Tensor,
        mask_logits: Tensor | None = None,
        crops: tuple[Tensor, ...] | None = None,
        host_boxes: np.ndarray | None = None,
    ) -> None:
        if mask_logits is not None and crops is not None:
            msg = "Expected `mask_logits` or `crops`, got both. Use `from_logits` or `from_crops`."
            raise ValueError(msg)
        self.boxes = boxes
        self.mask_logits = mask_logits
        self._crops = crops
        self._given_host_boxes = host_boxes
        self._windows: tuple[tuple[int, int], list[Window]] | None = None

    @classmethod
    def from_logits(cls, mask_logits: ArrayLike, boxes: ArrayLike) -> Self:
        """Wrap the output of a mask head.

        Args:
            mask_logits: ``(N, M, M)`` floats before the sigmoid, one mask for each instance.
            boxes: ``(N, 4)`` xyxy in pixels, half-open; may reach out of the image. Without width or height
                the mask is empty.

        Raises:
            ValueError: If shapes, counts or devices do not fit.
            TypeError: If the logits are not floats.
        """
        mask_logits, boxes = as_tensor(mask_logits, "mask_logits"), as_tensor(boxes, "boxes")
        check_shape(mask_logits, "mask_logits", (None, None, None), "(N, M, M)")
        if not mask_logits.is_floating_point():
            msg = f"Expected `mask_logits` to be floats before the sigmoid, got {mask_logits.dtype}."
            raise TypeError(msg)
        if 0 in mask_logits.shape[1:]:
            msg = f"Expected `mask_logits` to be (N, M, M) with M >= 1, got {tuple(mask_logits.shape)}."
            raise ValueError(msg)
        count = mask_logits.shape[0]
        check_shape(boxes, "boxes", (count, 4), f"(N, 4) = ({count}, 4), one box for each mask")
        check_device(boxes, "boxes", mask_logits.device, "mask_logits")
        return cls(boxes.float(), mask_logits=mask_logits)

    @classmethod
    def from_crops(
        cls, crops: Sequence[ArrayLike], windows: ArrayLike, *, device: torch.device | str | None = None
    ) -> Self:
        """Wrap masks that are cut out already.

        Args:
            crops: ``N`` bool masks ``(h, w)``.
            windows: ``(N, 4)`` integers xyxy, half-open; crop ``i`` has the size of window ``i``.
            device: Of the result; by default that of the first crop, or of the windows.

        Raises:
            ValueError: If counts or sizes do not fit.
            TypeError: If a crop is not bool or the windows are not integers.
        """
        windows = as_tensor(windows, "windows")
        check_shape(windows, "windows", (len(crops), 4), f"(N, 4) = ({len(crops)}, 4), one for each crop")
        check_integer(windows, "windows")
        host = windows.cpu().numpy().astype(np.int64)
        tensors = [as_tensor(crop, f"crops[{i}]") for i, crop in enumerate(crops)]
        for i, (crop, (x0, y0, x1, y1)) in enumerate(zip(tensors, host.tolist(), strict=True)):
            check_bool(crop, f"crops[{i}]")
            check_shape(crop, f"crops[{i}]", (y1 - y0, x1 - x0), f"{(y1 - y0, x1 - x0)} of its window")
        target = torch.device(device) if device is not None else (tensors[0] if tensors else windows).device
        placed = tuple(crop.to(target) for crop in tensors)
        return cls(windows.to(target).float(), crops=placed, host_boxes=host)

    @classmethod
    def from_full(cls, masks: ArrayLike) -> Self:
        """Cut full-size masks down to their tight windows.

        Args:
            masks: ``(N, H, W)`` bool. An empty mask gets an empty window.
        """
        masks = as_tensor(masks, "masks")
        check_shape(masks, "masks", (None, None, None), "(N, H, W)")
        check_bool(masks, "masks")
        windows = tight_windows(masks)
        crops = [
            copy_crop(mask[y0:y1, x0:x1])
            for mask, (x0, y0, x1, y1) in zip(masks, windows.tolist(), strict=True)
        ]
        return cls.from_crops(crops, torch.from_numpy(windows), device=masks.device)

    @classmethod
    def from_boxes(cls, boxes: ArrayLike) -> Self:
        """Wrap boxes whose masks are not known.

        Args:
            boxes: ``(N, 4)`` xyxy in pixels, half-open; may reach out of the image.

        Raises:
            ValueError: If the shape does not fit.

        Example:
            >>> masks = BoxMasks.from_boxes(torch.tensor([[1.0, 0.0, 3.0, 1.0]]))
            >>> masks.has_masks, masks.window(0, (2, 4))
            (False, (1, 0, 3, 1))
        """
        boxes = as_tensor(boxes, "boxes")
        check_shape(boxes, "boxes", (None, 4), "(N, 4), one row for each box")
        return cls(boxes.float())

    @classmethod
    def cat(cls, parts: Sequence["BoxMasks"]) -> "BoxMasks":
        """Join masks of one form; parts without masks may have any form.

        Raises:
            ValueError: If there is no part, or the forms, mask sizes or devices differ.
        """
        if not parts:
            msg = "Expected at least one part to join, got none."
            raise ValueError(msg)
        parts = [part for part in parts if len(part)] or [parts[0]]
        for part in parts:
            check_device(part.boxes, "boxes", parts[0].device, "the first part")
        boxes = torch.cat([part.boxes for part in parts])
        logits = [part.mask_logits for part in parts if part.mask_logits is not None]
        if len(logits) == len(parts) and len({tuple(one.shape[1:]) for one in logits}) == 1:
            return cls(boxes, mask_logits=torch.cat(logits))
        crops = [part._crops for part in parts if part._crops is not None]
        if not any(part.has_masks for part in parts):
            return cls(boxes)
        if len(crops) == len(parts):
            host = np.concatenate([part.host_boxes for part in parts])
            return cls(boxes, crops=tuple(crop for group in crops for crop in group), host_boxes=host)
        msg = f"Expected parts of one form and mask size, got {parts}. Use `from_full(part.to_full(size))`."
        raise ValueError(msg)

    def __len__(self) -> int:
        return self.boxes.shape[0]

    def __repr__(self) -> str:
        form = "crops" if self.has_masks else "boxes"
        if self.mask_logits is not None:
            form = f"logits {tuple(self.mask_logits.shape[1:])}"
        return f"BoxMasks({len(self)} {form}, device='{self.device}')"

    def __getitem__(self, index: int | slice | Sequence[int] | ArrayLike) -> "BoxMasks":
        """Select masks: an int gives a BoxMasks of one; bool tensors select, long tensors reorder."""
        rows = picked_rows(len(self), index)
        picked = torch.from_numpy(rows).to(self.device)
        known = self.__dict__.get("host_boxes", self._given_host_boxes)
        host_boxes = None if known is None else known[rows]
        if self.mask_logits is not None:
            return BoxMasks(self.boxes[picked], mask_logits=self.mask_logits[picked], host_boxes=host_boxes)
        crops = None if self._crops is None else tuple(self._crops[i] for i in rows.tolist())
        return BoxMasks(self.boxes[picked], crops=crops, host_boxes=host_boxes)

    @property
    def device(self) -> torch.device:
        """Where boxes and masks lie."""
        return self.boxes.device

    @property
    def has_masks(self) -> bool:
        """Whether masks are known, not boxes alone."""
        return self.mask_logits is not None or self._crops is not None

    @property
    def whole_crops(self) -> tuple[Tensor, ...] | None:
        """The crops ``(h, w)`` bool in their unclipped windows, or None in the other forms."""
        return self._crops

    @property
    def _all_crops(self) -> tuple[Tensor, ...]:
        self.check_masks()
        assert self._crops is not None
        return self._crops

    def check_masks(self) -> None:
        """Raise unless masks are known.

        Raises:
            ValueError: If there are boxes alone.
        """
        if not self.has_masks:
            msg = (
                "Expected instances with masks, got boxes alone. Give the network a mask head, or use what "
                'reads boxes only: `fuse_by_affinity` with `form="mask_free"`.'
            )
            raise ValueError(msg)

    @cached_property
    def host_boxes(self) -> np.ndarray:
        """The boxes on the host, ``(N, 4)``: float32, or int64 windows in the crop form; copied once.

        Raises:
            ValueError: If a box is not finite.
        """
        if self._given_host_boxes is not None:
            return self._given_host_boxes
        boxes = self.boxes.detach().cpu().numpy()
        check_finite(boxes, "boxes")
        return boxes

    @cached_property
    def _probs(self) -> Tensor:
        """Probabilities of the cells, ``(N, M, M)`` float32."""
        assert self.mask_logits is not None
        return torch.cat([piece.sigmoid() for piece in float_pieces(self.mask_logits)])

    def finite(self) -> Tensor:
        """Return which masks have finite logits only, ``(N,)`` bool; crops and boxes count as finite."""
        if self.mask_logits is None:
            return torch.ones(len(self), dtype=torch.bool, device=self.device)
        return torch.cat([all_finite(piece) for piece in float_pieces(self.mask_logits)])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "BoxMasks":
        """Return the masks on another device; `non_blocking` as in ``Tensor.to``."""
        if torch.device(device) == self.device:
            return self
        boxes = self.boxes.to(device, non_blocking=non_blocking)
        known = self.__dict__.get("host_boxes", self._given_host_boxes)
        if self.mask_logits is not None:
            mask_logits = self.mask_logits.to(device, non_blocking=non_blocking)
            return BoxMasks(boxes, mask_logits=mask_logits, host_boxes=known)
        crops = self._crops
        if crops is not None:
            crops = tuple(crop.to(device, non_blocking=non_blocking) for crop in crops)
        return BoxMasks(boxes, crops=crops, host_boxes=known)

    def cpu(self) -> "BoxMasks":
        """Return the masks in host memory."""
        return self.to("cpu")

    def windows(self, size: tuple[int, int]) -> list[Window]:
        """Return `window` of all masks."""
        size = check_size(size)
        if self._windows is None or self._windows[0] != size:
            make = paste_windows if self._crops is None else clip_windows
            table = make(self.host_boxes, size)
            self._windows = (size, [(x0, y0, x1, y1) for x0, y0, x1, y1 in table.tolist()])
        return self._windows[1]

    def window(self, i: int, size: tuple[int, int]) -> Window:
        """Return the pixels ``x0, y0, x1, y1`` of an image of ``size = (H, W)`` that mask `i` may cover."""
        return self.windows(size)[i]

    def crop(self, i: int, size: tuple[int, int]) -> Tensor:
        """Return mask `i` inside `window`, ``(h, w)`` bool: the resampled probability is at least 0.5."""
        return next(self.crops(size, [i]))

    def crops(self, size: tuple[int, int], picked: Sequence[int] | None = None) -> Iterator[Tensor]:
        """Yield `crop` of all masks, or of the picked ones in their order; cheaper than one by one."""
        self.check_masks()
        windows = self.windows(size)
        picked = range(len(self)) if picked is None else picked
        if self.mask_logits is not None:
            yield from paste_masks(self._probs, self.host_boxes, windows, picked)
            return
        for i in picked:
            x0, y0, x1, y1 = windows[i]
            left, top = self.host_boxes[i, :2].tolist()
            yield self._all_crops[i][y0 - top : y1 - top, x0 - left : x1 - left]

    def crop_logits(self, i: int, size: tuple[int, int]) -> Tensor:
        """Return the logits of mask `i` resampled inside `window`, ``(h, w)`` float32; differentiable.

        Raises:
            ValueError: In the other forms, which have no logits.
        """
        self.check_masks()
        if self.mask_logits is None:
            msg = "Expected masks with logits, got crops. Build them by `BoxMasks.from_logits`."
            raise ValueError(msg)
        window = self.windows(size)[i]
        x0, y0, x1, y1 = window
        if x0 == x1 or y0 == y1:
            return self.mask_logits[i].float().sum() * self.boxes.new_zeros(y1 - y0, x1 - x0)
        return resample_mask(self.mask_logits[i].float(), self.host_boxes[i], window)

    def areas(self, size: tuple[int, int]) -> Tensor:
        """Return the pixels of each mask inside the image, ``(N,)`` int64."""
        counts = [count_true(crop) for crop in self.crops(size)]
        return torch.stack(counts) if counts else torch.zeros(0, dtype=torch.int64, device=self.device)

    def rescale(self, factor_x: float, factor_y: float) -> "BoxMasks":
        """Return the masks in an image that is scaled by the factors.

        Logits stay as they are, their boxes move; so do boxes alone. Crops are read at the nearest centre.
        """
        for name, factor in (("factor_x", factor_x), ("factor_y", factor_y)):
            if not (factor > 0 and np.isfinite(factor)):
                msg = f"Expected `{name}` to be finite and > 0, got {factor}."
                raise ValueError(msg)
        if self._crops is None:
            factors = self.boxes.new_tensor([factor_x, factor_y, factor_x, factor_y])
            return BoxMasks(self.boxes * factors, mask_logits=self.mask_logits)
        scale = np.array([factor_x, factor_y, factor_x, factor_y])
        windows = np.ceil(self.host_boxes * scale - 0.5).astype(np.int64)
        crops = [
            rescale_crop(crop, old, new, scale)
            for crop, old, new in zip(self._all_crops, self.host_boxes, windows, strict=True)
        ]
        return BoxMasks.from_crops(crops, torch.from_numpy(windows), device=self.device)

    def to_full(self, size: tuple[int, int]) -> Tensor:
        """Return all masks at full size, ``(N, H, W)`` bool: for looking at them, not for inference."""
        full = torch.zeros(len(self), *check_size(size), dtype=torch.bool, device=self.device)
        for i, (crop, (x0, y0, x1, y1)) in enumerate(zip(self.crops(size), self.windows(size), strict=True)):
            full[i, y0:y1, x0:x1] = crop
        return full
