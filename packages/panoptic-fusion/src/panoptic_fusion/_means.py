"""Means of maps as running sums: one map more than the result, however many there are."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from panoptic_fusion._checks import check_choice, check_device, check_shape

Space = Literal["probabilities", "logits"]

_PIXELS_AT_ONCE = 1 << 18  # of a map that becomes probabilities: no second map of all channels
_Item = TypeVar("_Item")


class Mean:
    """The weighted mean of maps ``(C, H, W)``, as a running sum in float32."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total: Tensor | None = None
        self.weight = 0.0

    def add(self, maps: Tensor, weight: float) -> None:
        """Add the maps of one view; they are only read."""
        check_shape(maps, self.name, (None, None, None), "(C, H, W)")
        if not maps.is_floating_point():
            msg = f"Expected `{self.name}` to be floats, got {maps.dtype}. Label maps have no mean."
            raise TypeError(msg)
        if self.total is None:
            self.total = torch.zeros(maps.shape, dtype=torch.float32, device=maps.device)
        check_device(maps, self.name, self.total.device, f"{self.name} of the first view")
        check_shape(maps, self.name, tuple(self.total.shape), f"{tuple(self.total.shape)} of the first view")
        step = max(1, _PIXELS_AT_ONCE // max(maps.shape[2], 1))
        for top in range(0, maps.shape[1], step):
            rows = slice(top, top + step)
            self.total[:, rows].add_(self.values(maps[:, rows].float()), alpha=weight)
        self.weight += weight

    def values(self, rows: Tensor) -> Tensor:
        """Return what is averaged, for some rows in float32."""
        return rows

    def result(self) -> Tensor:
        """Return the mean."""
        assert self.total is not None
        mean = self.total.div_(self.weight)
        highest = float(mean.max()) if mean.numel() else 0.0  # NaN if there is one
        if math.isnan(highest) or highest == math.inf:
            msg = f"Expected `{self.name}` to have a finite mean, got NaN or infinity. Look for the bad view."
            raise ValueError(msg)
        return mean


class SemanticMean(Mean):
    """The mean of class scores, as logits."""

    def __init__(self, space: Space) -> None:
        super().__init__("sem_logits")
        check_choice(space, "space", get_args(Space))
        self.by_probability = space == "probabilities"

    def values(self, rows: Tensor) -> Tensor:
        return rows.softmax(dim=0) if self.by_probability else rows

    def result(self) -> Tensor:
        mean = super().result()
        if not self.by_probability:
            return mean
        return mean.clamp_(min=torch.finfo(mean.dtype).tiny).log_()  # finite: resizing it makes no NaN


def weighted(
    items: Iterable[_Item], weights: Sequence[float] | None, name: str
) -> Iterator[tuple[_Item, float]]:
    """Yield each item with its weight; raise a ValueError where there is none or the numbers differ."""
    for weight in weights or ():
        if not (math.isfinite(weight) and weight > 0):
            msg = f"Expected `weights` to be finite and > 0, got {list(weights or ())}."
            raise ValueError(msg)
    count = 0
    for item in items:
        if weights is not None and count == len(weights):
            msg = f"Expected one of `weights` for each of `{name}`, got {count} weights and more {name}."
            raise ValueError(msg)
        yield item, 1.0 if weights is None else weights[count]
        del item
        count += 1
    if not count:
        msg = f"Expected at least one of `{name}` to merge, got none."
        raise ValueError(msg)
    if weights is not None and count != len(weights):
        msg = f"Expected one of `weights` for each of `{name}`, got {len(weights)} weights for {count}."
        raise ValueError(msg)
