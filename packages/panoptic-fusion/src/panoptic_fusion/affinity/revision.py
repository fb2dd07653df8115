"""The best channel of the revised potential, some rows of all channels at a time."""

import torch
from torch import Tensor

from panoptic_fusion._channels import RunningBest
from panoptic_fusion.affinity.potential import Potential
from panoptic_fusion.affinity.upsampling import upsampled_argmax

_VALUES_AT_ONCE = 1 << 19  # of a strip of all channels, on the host
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
        grid: ``(h, w)`` of its maps, not empty.
        features: ``phi0`` and ``phi1``, ``(D, h, w)`` float32, or None.
        gamma: See `apply_affinity`.
        size: ``(H, W)`` of the result.
        strides: Pixels of the result in a cell, y and x.

    Returns:
        ``(H, W)`` int32, contiguous.

    Raises:
        ValueError: If the best value of a cell is NaN or infinite.
    """
    gathered = None
    if features is not None:
        # Cells whose centre lies beyond the result are the padding of a batch.
        rows, columns = (
            int(((torch.arange(cells) + 0.5) * stride < pixels).sum())
            for cells, stride, pixels in zip(grid, strides, size, strict=True)
        )
        gathered = gamma * _gather(potential, features[1], rows, columns).T  # (K, D)
    upsample = strides != (1.0, 1.0)
    kept = torch.zeros(len(potential) if upsample else 0, *grid, device=potential.device)
    winners = torch.empty(grid, dtype=torch.int32, device=potential.device)
    step = _rows_at_once(potential, grid)
    seen = []
    for top in range(0, grid[0], step):
        bottom = min(top + step, grid[0])
        strip = kept[:, top:bottom] if upsample else kept.new_zeros(len(potential), bottom - top, grid[1])
        _fill(strip, potential, top, bottom)
        if features is not None and gathered is not None:
            strip = strip.view(len(strip), -1)  # a view of `kept`, written in place
            strip.addmm_(gathered, features[0][:, top:bottom].flatten(1))
        best = RunningBest(strip[0])
        best.add(strip)
        winners[top:bottom] = best.winners.view(bottom - top, grid[1])
        seen.append(torch.stack(torch.aminmax(best.values)))
    if not bool(torch.stack(seen).isfinite().all()):
        msg = "Expected finite values, got NaN or infinity: look at `sem_logits`, `phi0`, `phi1` and `gamma`."
        raise ValueError(msg)
    return upsampled_argmax(kept, winners, size, strides) if upsample else winners


def _rows_at_once(potential: Potential, grid: tuple[int, int]) -> int:
    budget = _VALUES_AT_ONCE if potential.device.type == "cpu" else _VALUES_AT_ONCE_ON_DEVICE
    budget = min(budget, _MAPS_AT_ONCE * grid[0] * grid[1])
    return max(1, budget // (len(potential) * grid[1]))


def _fill(strip: Tensor, potential: Potential, top: int, bottom: int) -> None:
    """Write the rows of all channels into zeros ``(K, n, w)``."""
    for channel in range(len(potential)):
        x0, y0, x1, y1 = potential.window(channel)
        low, high = max(y0, top), min(y1, bottom)
        if low < high and x0 < x1:
            strip[channel, low - top : high - top, x0:x1] = potential.inside(channel, low, high)
        if y1 <= bottom:
            potential.forget(channel)


def _gather(potential: Potential, phi1: Tensor, rows: int, columns: int) -> Tensor:
    """Return the mean of ``phi1 Psi^T`` over the first rows and columns, ``(D, K)``, box by box."""
    sums = []
    for channel in range(len(potential)):
        x0, y0, x1, y1 = potential.window(channel)
        right, bottom = min(x1, columns), min(y1, rows)
        if right <= x0 or bottom <= y0:
            sums.append(phi1.new_zeros(len(phi1)))
            continue
        values = potential.inside(channel, y0, bottom)[:, : right - x0].float()
        potential.forget(channel)
        sums.append(phi1[:, y0:bottom, x0:right].flatten(1) @ values.flatten())
    return torch.stack(sums, dim=1) / max(rows * columns, 1)
