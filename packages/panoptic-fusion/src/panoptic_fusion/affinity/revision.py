"""The best channel of the revised potential, some rows of all channels at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

from panoptic_fusion._channels import RunningBest
from panoptic_fusion.affinity.potential import Potential
from panoptic_fusion.affinity.upsampling import upsampled_argmax

_VALUES_AT_ONCE = 1 << 21  # of a strip of all channels, on the host
_PIXELS_AT_ONCE = (1 << 15) - 1  # of a strip there: less than PyTorch gives to a second thread
_VALUES_AT_ONCE_ON_DEVICE = 1 << 26
_MAPS_AT_ONCE = 16


def best_channels(
    potential: Potential,
    grid: tuple[int, int],
    features: tuple[Tensor, Tensor] | None,
    gamma: float | Tensor,
    size: tuple[int, int],
    strides: tuple[float, float],
) -> Tensor:
    """Return the best channel of each pixel after affinity and upsampling; equal values: the lowest.

    Args:
        potential: ``K >= 1`` channels.
        grid: ``(h, w)`` of its maps, not empty, without padding.
        features: ``phi0`` and ``phi1``, ``(D, h, w)`` float32, or None.
        gamma: See `apply_affinity`.
        size: ``(H, W)`` of the result.
        strides: Pixels of the result in a cell, y and x.

    Returns:
        ``(H, W)`` int32, contiguous.

    Raises:
        ValueError: If the best value of a cell is NaN or infinite.
    """
    upsample = strides != (1.0, 1.0)
    kept = torch.zeros(len(potential), *grid, device=potential.device) if upsample else None
    strips = _Strips(potential, grid, kept)
    gathered = None
    if features is not None:
        gathered = gamma * strips.gather(features[1])
    winners = torch.empty(grid, dtype=torch.int32, device=potential.device)
    seen = []
    for top, bottom, strip in strips:
        if features is not None and gathered is not None:
            # A view of `kept`, written in place.
            strip.view(len(strip), -1).addmm_(gathered, features[0][:, top:bottom].flatten(1))
        best = RunningBest(strip[0])
        best.add(strip)
        winners[top:bottom] = best.winners
        seen.append(torch.stack(torch.aminmax(best.values)))
    if not bool(torch.stack(seen).isfinite().all()):
        msg = "Expected finite values, got NaN or infinity: look at `sem_logits`, `phi0`, `phi1` and `gamma`."
        raise ValueError(msg)
    return winners if kept is None else upsampled_argmax(kept, winners, size, strides)


class _Strips:
    """Some rows of all channels, one strip after another; kept for a second round if there is room."""

    def __init__(self, potential: Potential, grid: tuple[int, int], kept: Tensor | None) -> None:
        self._potential, self._grid, self._kept = potential, grid, kept
        self._filled = False
        host = potential.device.type == "cpu"
        pixels = (_VALUES_AT_ONCE if host else _VALUES_AT_ONCE_ON_DEVICE) // len(potential)
        pixels = min(
            pixels, _PIXELS_AT_ONCE if host else pixels, _MAPS_AT_ONCE * grid[0] * grid[1] // len(potential)
        )
        self._step = max(1, pixels // grid[1])

    def __iter__(self) -> Iterator[tuple[int, int, Tensor]]:
        """Yield the first row, one past the last, and the potential there, ``(K, n, w)``."""
        height, width = self._grid
        for top in range(0, height, self._step):
            bottom = min(top + self._step, height)
            if self._kept is None:
                strip = torch.zeros(len(self._potential), bottom - top, width, device=self._potential.device)
            else:
                strip = self._kept[:, top:bottom]
            if not self._filled:
                _fill(strip, self._potential, top, bottom)
            yield top, bottom, strip
        self._filled = self._kept is not None

    def gather(self, phi1: Tensor) -> Tensor:
        """Return the mean of ``Psi phi1^T`` over all cells, ``(K, D)``."""
        total = phi1.new_zeros(len(self._potential), len(phi1))
        for top, bottom, strip in self:
            total.addmm_(strip.flatten(1), phi1[:, top:bottom].flatten(1).T)
        return total / (self._grid[0] * self._grid[1])


def _fill(strip: Tensor, potential: Potential, top: int, bottom: int) -> None:
    """Write the rows of all channels into zeros ``(K, n, w)``."""
    for channel in range(len(potential)):
        x0, y0, x1, y1 = potential.window(channel)
        low, high = max(y0, top), min(y1, bottom)
        if low < high and x0 < x1:
            strip[channel, low - top : high - top, x0:x1] = potential.inside(channel, low, high)
        if y1 <= bottom:
            potential.forget(channel)
