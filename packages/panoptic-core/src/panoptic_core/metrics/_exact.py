"""Sums of floats that are exact: the order in which parts are added changes nothing."""

import math

import numpy as np
from numpy.typing import NDArray


class ExactSum:
    """A running sum of float arrays of one shape, rounded once, at the end.

    Args:
        shape: Of each part.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._partials: dict[int, list[float]] = {}

    def add(self, part: NDArray[np.float64], rows: NDArray[np.int64] | None = None) -> None:
        """Add a part; `rows` says which rows of the sum its rows are, all by default."""
        width = int(np.prod(self._shape[1:], dtype=np.int64))
        values = part.reshape(-1)
        for place in np.flatnonzero(values).tolist():
            target = place if rows is None else int(rows[place // width]) * width + place % width
            add_exactly(self._partials.setdefault(target, []), float(values[place]))

    def total(self) -> NDArray[np.float64]:
        """Return the sum of what was added so far."""
        total = np.zeros(self._shape)
        flat = total.reshape(-1)
        for place, values in self._partials.items():
            flat[place] = math.fsum(values)
        return total


def add_exactly(partials: list[float], value: float) -> None:
    """Add a number to a list of floats whose exact sum is kept (Shewchuk 1997, grow-expansion)."""
    if not math.isfinite(sum(partials) + value):  # areas given as nonsense
        partials[:] = [sum(partials) + value]
        return
    kept = 0
    for other in partials:
        large, small = (value, other) if abs(value) >= abs(other) else (other, value)
        value = large + small
        rest = small - (value - large)
        if rest:
            partials[kept] = rest
            kept += 1
    partials[kept:] = [value]
