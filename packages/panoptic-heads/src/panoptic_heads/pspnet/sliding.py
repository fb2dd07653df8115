"""Sliding-window inference: a network that learned from crops is tested on windows of their size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """How windows lie on an image.

    Attributes:
        size: Height and width of a window. On an axis where the image is smaller the window is as large as
            the image.
        stride: From one window to the next, y and x; the last one of an axis ends with the image.
    """

    size: tuple[int, int]
    stride: tuple[int, int]

    def __post_init__(self) -> None:
        if not all(0 < stride <= size for size, stride in zip(self.size, self.stride, strict=True)):
            msg = f"Expected windows with 0 < `stride` <= `size`, got {self.stride} and {self.size}."
            raise ValueError(msg)

    @classmethod
    def read(cls, cfg: Mapping[str, Any]) -> Self:
        """Read a config's block.

        Raises:
            ValueError: If an entry is missing, unknown or out of range.
        """
        names = {field.name for field in fields(cls)}
        if set(cfg) != names:
            msg = f"Expected windows to have the entries {sorted(names)}, got {sorted(cfg)}."
            raise ValueError(msg)
        return cls(size=tuple(cfg["size"]), stride=tuple(cfg["stride"]))

    def places(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        """Yield the rows and columns of each window of an image, from the upper left corner on."""
        for rows in _places(height, self.size[0], self.stride[0]):
            for columns in _places(width, self.size[1], self.stride[1]):
                yield rows, columns


def slide(network: Callable[[Tensor], Tensor], images: Tensor, windows: Windows) -> Tensor:
    """Run a network on the windows of images, one after the other, and average what it says.

    Args:
        network: From images ``(N, 3, h, w)`` to class scores ``(N, C, h, w)``.
        images: ``(N, 3, H, W)``.
        windows: Where to look.

    Returns:
        ``(N, C, H, W)``: each pixel's mean of the scores of all windows that cover it.
    """
    height, width = images.shape[2:]
    places = list(windows.places(height, width))
    if len(places) == 1:
        return network(images)
    total: Tensor | None = None
    count = images.new_zeros(height, width)
    for rows, columns in places:
        scores = network(images[:, :, rows, columns])
        if total is None:
            total = scores.new_zeros(*scores.shape[:2], height, width)
        total[:, :, rows, columns] += scores
        count[rows, columns] += 1
    assert total is not None
    return total.div_(count.to(total.dtype))


def _places(length: int, size: int, stride: int) -> Iterator[slice]:
    """Cover ``length`` pixels by windows."""
    for start in range(0, max(length - size, 0) + stride, stride):
        begin = max(min(start, length - size), 0)
        yield slice(begin, min(begin + size, length))
