"""Random numbers of one scene: everything comes out of one stream of uniform numbers."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """A stream of random numbers that depends on its keys alone.

    Only uniform doubles and raw bytes are taken from numpy: the streams that it keeps the same in all its
    versions. They come in blocks, since a scene asks for thousands of single numbers.

    Args:
        *keys: Non-negative integers, here the seed and the number of the image.
    """

    def __init__(self, *keys: int) -> None:
        self._rng = np.random.Generator(np.random.PCG64(keys))
        self._block: list[float] = []

    def unit(self) -> float:
        """Return a number in ``[0, 1)``."""
        if not self._block:
            self._block = self._rng.random(512).tolist()
        return self._block.pop()

    def between(self, low: float, high: float) -> float:
        """Return a number in ``[low, high)``."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number in ``[low, high]``."""
        return low + int((high - low + 1) * self.unit())

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.unit() < probability

    def sign(self) -> int:
        """Return -1 or 1."""
        return 1 if self.unit() < 0.5 else -1

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, all alike."""
        return items[int(len(items) * self.unit())]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Return one of the items, each with a chance in proportion to its weight."""
        rest = sum(weights) * self.unit()
        for item, weight in zip(items, weights, strict=True):
            rest -= weight
            if rest < 0:
                return item
        return items[-1]

    def grid(self, height: int, width: int) -> np.ndarray:
        """Return ``(height, width)`` float32 numbers in ``[-1, 1]``."""
        raw = np.frombuffer(self._rng.bytes(height * width), np.uint8)
        return ((raw.astype(np.float32) - 127.5) / 127.5).reshape(height, width)
