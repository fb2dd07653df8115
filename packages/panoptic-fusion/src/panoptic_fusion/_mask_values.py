"""Values of masks at the pixel centres of their windows: logits or probabilities instead of bits.

The same rule as `panoptic_fusion.paste`, written as two weighted sums of two terms each, so that a value does
not depend on which rows are read together: a dense tensor and a running maximum see the same bits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.paste import Window, cell_positions


class Line(NamedTuple):
    """The two cells that each pixel of an axis lies between, and their weights, ``(n,)``.

    Cells are counted in a mask with a border of zeros: 0 is the border.
    """

    cells: Tensor
    near: Tensor
    far: Tensor


class MaskValues:
    """Reads the values of ``N`` masks, some rows at a time.

    Differentiable in the cells. Float64 cells are read in float64, all others in float32.

    Attributes:
        windows: Where the masks lie in the image; outside, a mask has no value.
    """

    def __init__(
        self,
        masks: BoxMasks,
        size: tuple[int, int],
        *,
        cells: Tensor | None,
        crop_values: tuple[float, float],
    ) -> None:
        """Prepare the masks at one image size.

        Args:
            masks: Where the masks lie; crops have their values, too.
            size: ``(H, W)`` of the image.
            cells: ``(N, M, M)`` values of masks in the logit form.
            crop_values: What false and true become in the crop form.
        """
        self.windows: list[Window] = masks.windows(size)
        self._masks, self._size = masks, size
        self._crop_values = crop_values
        self._columns: dict[int, Tensor] = {}
        self._lines: list[tuple[Line, Line]] = []
        self._cells = cells
        if cells is not None:
            shape = cells.shape[1], cells.shape[2]
            self._lines = _window_lines(masks.host_boxes, self.windows, *shape, cells.device)
            self._cells = F.pad(cells if cells.dtype == torch.float64 else cells.float(), (1, 1, 1, 1))

    def read(self, i: int, top: int, bottom: int) -> Tensor:
        """Return mask `i` in the rows of the image from `top` to `bottom`, inside its window, ``(n, w)``."""
        y0 = self.windows[i][1]
        if self._cells is None:
            low, high = self._crop_values
            crop = self._columns.setdefault(i, self._masks.crop(i, self._size))[top - y0 : bottom - y0]
            return torch.where(crop, high, low).float()
        rows, columns = self._lines[i]
        if i not in self._columns:
            cells = self._cells[i]  # (M + 2, M + 2)
            near, far = columns.near.to(cells), columns.far.to(cells)
            left, right = (cells.index_select(1, columns.cells + side) for side in (0, 1))
            self._columns[i] = left * near + right * far  # (M + 2, w)
        stretched = self._columns[i]
        index = rows.cells[top - y0 : bottom - y0]
        near, far = (one[top - y0 : bottom - y0, None].to(stretched) for one in (rows.near, rows.far))
        # Not `stretched[index]`: it gives even this little to a second thread.
        above, below = stretched.index_select(0, index), stretched.index_select(0, index + 1)
        return above * near + below * far

    def read_whole(self, i: int) -> Tensor:
        """Return mask `i` inside its window, ``(h, w)``."""
        _, y0, _, y1 = self.windows[i]
        values = self.read(i, y0, y1)
        self.forget(i)
        return values

    def forget(self, i: int) -> None:
        """Free what reading mask `i` has kept."""
        self._columns.pop(i, None)


def _window_lines(
    boxes: np.ndarray, windows: Sequence[Window], mask_height: int, mask_width: int, device: torch.device
) -> list[tuple[Line, Line]]:
    """Return the rows and the columns of each window, all copied to the device at once."""
    axes = []
    for positions, lengths, count in cell_positions(boxes, windows, mask_height, mask_width):
        below = np.floor(positions)
        far = positions - below
        index = np.clip(below.astype(np.int64) + 1, 0, count)
        parts = [torch.from_numpy(part).to(device) for part in (index, 1 - far, far)]
        axes.append(
            [
                Line(*line)
                for line in zip(*(torch.split_with_sizes(part, lengths) for part in parts), strict=True)
            ]
        )
    return list(zip(*axes, strict=True))
