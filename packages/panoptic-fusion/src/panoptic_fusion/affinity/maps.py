"""What a dense-affinity network says of an image on its own grid: Li et al., CVPR 2020, arXiv:2001.04982.

The potential and its revision live at the resolution of the semantic head (a quarter of the input's), padding
of the batch included; only the winner is brought to the image. So these maps are raw outputs of their own.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion._checks import as_tensor, check_device, check_sem_logits, check_shape
from panoptic_fusion.affinity.apply import affinity_of_cell, check_features

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class AffinityMaps:
    """Semantic logits and affinity features of one image on one grid; NumPy arrays become tensors.

    Attributes:
        sem_logits: ``(C, h, w)`` before the softmax, things first, padding included.
        phi0: ``(D, h, w)``, of the cells that gather, see `apply_affinity`; None: a network without affinity.
        phi1: ``(D, h, w)``, of the cells that give.
        gamma: The affinity's scale, a number or a tensor of one value.
        stride: Pixels of the image in a cell, of y and x; cells whose centre lies beyond the image are
            padding. 1: the grid is the image's own.

    Raises:
        ValueError: If shapes, devices, `gamma` or `stride` do not fit, or there is one of the features alone.
        TypeError: If the logits are no floats.
    """

    sem_logits: Tensor
    phi0: Tensor | None = None
    phi1: Tensor | None = None
    gamma: float | Tensor = 0.0
    stride: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        logits = as_tensor(self.sem_logits, "sem_logits")
        check_sem_logits(logits, 0)
        phi0, phi1 = read_features(self.phi0, self.phi1, (logits.shape[1], logits.shape[2]), logits.device)
        gamma = self.gamma
        if isinstance(gamma, Tensor):
            check_shape(gamma.reshape(-1), "gamma", (1,), "() or (1,), one value")
            check_device(gamma, "gamma", logits.device, "sem_logits")
        y, x = (float(one) for one in self.stride)
        check_positive(y, x)
        for name, value in (("sem_logits", logits), ("phi0", phi0), ("phi1", phi1), ("stride", (y, x))):
            object.__setattr__(self, name, value)  # frozen for everybody else

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.sem_logits.shape[1], self.sem_logits.shape[2]

    @property
    def device(self) -> torch.device:
        """Where all maps lie."""
        return self.sem_logits.device

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        named = {name: getattr(self, name) for name in ("sem_logits", "phi0", "phi1", "gamma")}
        return {name: value for name, value in named.items() if isinstance(value, Tensor)}

    def to(self, device: torch.device | str) -> Self:
        """Return all maps on another device."""
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in self.tensors.items()}
        return replace(self, **moved)

    def without_affinity(self) -> Self:
        """Return the logits alone: what a network without affinity would say."""
        return replace(self, phi0=None, phi1=None, gamma=0.0)

    def rescale(self, factor_y: float, factor_x: float) -> Self:
        """Return the same maps of the image at another size: cells of other strides."""
        return replace(self, stride=(self.stride[0] * factor_y, self.stride[1] * factor_x))

    def at_centers(self, pixels: Tensor, outside: int | float) -> Tensor:
        """Return the values of the pixels that hold the cells' centres.

        Args:
            pixels: ``(..., H, W)`` of the image.
            outside: The value of cells whose centre lies beyond it.

        Returns:
            ``(..., h, w)``.

        Example:
            >>> maps = AffinityMaps(torch.zeros(1, 1, 3), stride=(1.0, 2.0))  # centres at x = 1, 3 and 5
            >>> maps.at_centers(torch.tensor([[10, 11, 12, 13]]), 255).tolist()
            [[11, 13, 255]]
        """
        if not pixels.numel():
            return pixels.new_full((*pixels.shape[:-2], *self.grid), outside)
        places, known = [], []
        for cells, stride, count in zip(self.grid, self.stride, pixels.shape[-2:], strict=True):
            cell = torch.arange(cells, device=pixels.device)
            known.append(cell < count_known(count, stride, cells))
            places.append(((cell.double() + 0.5) * stride).long().clamp(max=count - 1))
        read = pixels[..., places[0], :][..., places[1]]
        return read.masked_fill(~(known[0][:, None] & known[1]), outside)

    def affinity_at(self, x: int, y: int, size: tuple[int, int]) -> Tensor:
        """Return how much each pixel of an image gives to one, ``(H, W)`` float32, scaled by `gamma`.

        It is that of the cell that holds the pixel, read bilinearly between the centres of cells that are not
        padding. Below 0 a pixel takes.

        Args:
            x: Column of the pixel.
            y: Row of the pixel.
            size: ``(H, W)`` of the image.

        Raises:
            ValueError: If the pixel lies outside of the image, or there are no features.
        """
        if self.phi0 is None or self.phi1 is None:
            msg = "Expected maps with `phi0` and `phi1`, got none. This network has no affinity."
            raise ValueError(msg)
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            msg = (
                f"Expected a pixel of an image of {size[1]} columns and {size[0]} rows, got x = {x}, y = {y}."
            )
            raise ValueError(msg)
        cell, known, places = [], [], []
        for place, cells, stride, pixels in zip((y, x), self.grid, self.stride, size, strict=True):
            cell.append(min(int((place + 0.5) / stride), cells - 1))
            known.append(max(1, count_known(pixels, stride, cells)))
            centers = (torch.arange(pixels, device=self.device) + 0.5) / stride
            places.append((centers / known[-1] * 2 - 1).float())  # [-1, 1] between the outer borders
        gives = affinity_of_cell(self.phi0, self.phi1, cell[0], cell[1], self.gamma)[: known[0], : known[1]]
        points = torch.stack([places[1].expand(size), places[0][:, None].expand(size)], dim=-1)
        options: dict[str, Any] = {"padding_mode": "border", "align_corners": False}
        return F.grid_sample(gives[None, None].float(), points[None], **options)[0, 0]


def read_features(
    phi0: Any, phi1: Any, grid: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Return ``(D, h, w)`` features as tensors, or none.

    Raises:
        ValueError: If there is one alone, or shapes or devices do not fit.
    """
    if phi0 is None and phi1 is None:
        return None, None
    if phi0 is None or phi1 is None:
        msg = "Expected both `phi0` and `phi1`, or neither, got one."
        raise ValueError(msg)
    phi0, phi1 = as_tensor(phi0, "phi0"), as_tensor(phi1, "phi1")
    check_features(phi0, phi1, grid, device, "sem_logits")
    return phi0, phi1


def read_strides(
    size: tuple[int, int], grid: tuple[int, int], stride: float | tuple[float, float] | None
) -> tuple[float, float]:
    """Return the pixels of the result in a cell, y and x.

    Args:
        size: Of the result.
        grid: Of the maps.
        stride: One for both axes, or one for each; None: the cells fill the result.

    Raises:
        ValueError: If the cells do not reach over the result, or one of the two has no pixel.
    """
    if 0 in size or 0 in grid:
        if size != grid:
            msg = f"Expected maps with pixels for a result of {size}, got `sem_logits` of {grid}."
            raise ValueError(msg)
        return 1.0, 1.0
    if stride is None:
        return size[0] / grid[0], size[1] / grid[1]
    y, x = stride if isinstance(stride, tuple) else (stride, stride)
    check_positive(y, x)
    # A quotient of sizes may fall short by its rounding.
    reached = grid[0] * y * (1 + _ROUNDING), grid[1] * x * (1 + _ROUNDING)
    if reached[0] < size[0] or reached[1] < size[1]:
        msg = (
            f"Expected `sem_logits` to reach over the result, {size}, with a stride of {stride}, got {grid} "
            "cells. Leave `stride` out if the cells fill the result."
        )
        raise ValueError(msg)
    return float(y), float(x)


def count_known(pixels: int, stride: float, cells: int) -> int:
    """Return how many cells of an axis have their centre inside of the image; the others are padding.

    A centre on the border lies beyond it, whichever way the stride, a quotient of sizes, was rounded.

    Args:
        pixels: Of the image.
        stride: Pixels in a cell.
        cells: Of the map.

    Example:
        >>> count_known(496, 4 * (496 / 846), 216)  # the centre of cell 211 lies at 846 of 846
        211
    """
    return max(0, min(cells, math.ceil(pixels / stride * (1 - _ROUNDING) - 0.5)))


def check_positive(y: float, x: float) -> None:
    """Raise a ValueError unless both strides are finite and above 0."""
    if not all(math.isfinite(one) and one > 0 for one in (y, x)):
        msg = f"Expected `stride` to be finite and > 0, got {(y, x)}."
        raise ValueError(msg)
